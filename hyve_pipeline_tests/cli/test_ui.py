"""`hyve ui` as users and scripts run it: real processes, requests over HTTP."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline_tests.cli.test_private import wide_files, with_umask
from hyve_pipeline_tests.pages import Page, running_ui
from hyve_pipeline_tests.processes import descendants, living, living_after, run_hyve, start_hyve
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, client_for, put_objects

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
    pytest.mark.timeout(300),
]

# One process of the tests runs all that share a UI, which takes seconds to start.
shares_page = pytest.mark.xdist_group("ui")


def write_home(home: Path, endpoint_url: str) -> dict[str, str]:
    """A configured home, and an environment that leads to it alone."""
    home.mkdir()
    (home / "hyve.toml").write_text(
        f"""
        [sync.images.source]
        bucket = "rootwork"
        region = "{REGION}"
        endpoint_url = "{endpoint_url}"
        [sync.images.store]
        bucket = "store"
        region = "{REGION}"
        endpoint_url = "{endpoint_url}"
        """
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DAGSTER_", "HYVE_"))}
    return kept | {
        "HYVE_HOME": str(home),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    home = tmp_path_factory.mktemp("ui") / "home"
    with EmbeddedServer() as server:
        client = client_for(server.endpoint_url)
        client.create_bucket(Bucket="rootwork")
        client.create_bucket(Bucket="store")
        put_objects(client, "rootwork", {"a": b"1", "b": b"2"})
        variables = write_home(home, server.endpoint_url)
        with running_ui(home, variables, preexec_fn=with_umask(0)) as page:
            yield page


@shares_page
def test_shows_the_configured_syncs(page: Page) -> None:
    data = page.ask(
        "{ workspaceOrError { ... on Workspace { locationEntries { name locationOrLoadError { __typename "
        "... on RepositoryLocation { repositories { jobs { name } } } } } } } }"
    )
    (entry,) = data["workspaceOrError"]["locationEntries"]
    assert entry["name"] == "hyve_pipeline"
    (repository,) = entry["locationOrLoadError"]["repositories"]
    jobs = {job["name"] for job in repository["jobs"]}
    assert {"images_dryrun", "images_copy", "images_delete", "images_verify"} <= jobs


@shares_page
def test_launches_what_it_is_asked_for(page: Page) -> None:
    assert page.await_end(page.launch("images_dryrun")) == "SUCCESS"
    assert (page.home / "out" / "images" / "new.txt").read_text() == "a\nb\n"


@shares_page
def test_what_it_and_its_runs_keep_is_its_owners_alone(page: Page) -> None:
    """It was started under a umask that takes nothing away."""
    assert page.await_end(page.launch("images_dryrun")) == "SUCCESS"
    configuration = page.home / "hyve.toml"  # which the test has written
    assert wide_files(page.home).keys() <= {configuration}
    assert (page.home / "dagster" / "history").is_dir()


@shares_page
def test_listens_on_loopback_only(page: Page) -> None:
    port = int(page.url.rpartition(":")[2])
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    addresses = {fields[1] for fields in listening if fields[3] == "0A" and int(fields[1][-4:], 16) == port}
    assert addresses == {f"{int.from_bytes(socket.inet_aton('127.0.0.1'), sys.byteorder):08X}:{port:04X}"}
    ipv6 = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    assert not [fields for fields in ipv6 if fields[3] == "0A" and int(fields[1][-4:], 16) == port]


@shares_page
def test_a_home_has_one_ui_at_a_time(page: Page) -> None:
    second = run_hyve("ui", "--port", "0", "--no-browser", variables=page.variables)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "another" in second.stderr
    assert str(page.home) in second.stderr


@shares_page
def test_a_port_that_is_taken_is_one_line(page: Page) -> None:
    port = page.url.rpartition(":")[2]
    taken = run_hyve("ui", "--port", port, "--no-browser", variables=page.variables)
    assert taken.returncode == 2
    assert taken.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in taken.stderr
    assert "--port" in taken.stderr


def test_a_missing_configuration_is_one_line(tmp_path: Path) -> None:
    result = run_hyve("ui", "--no-browser", "--home", str(tmp_path / "nowhere"))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert str(tmp_path / "nowhere" / "hyve.toml") in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_wrong_configuration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "hyve.toml").write_text("[sync.images.source]\nbukket = 'in'\n")
    result = run_hyve("ui", "--no-browser", "--home", str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "bukket" in result.stderr


def test_ctrl_c_is_its_normal_end(tmp_path: Path) -> None:
    """Also from a script's background, where SIGINT is ignored at first; and with `DAGSTER_HOME` of one's own."""
    variables = write_home(tmp_path / "home", "http://127.0.0.1:9") | {"DAGSTER_HOME": str(tmp_path / "dagster")}
    with running_ui(
        tmp_path / "home", variables, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    ) as page:
        children = descendants(page.process.pid)
        assert len(living(children)) >= 3, "web server, daemon and code server"
        page.process.send_signal(signal.SIGINT)
        output, errors = page.process.communicate(timeout=60)
        assert page.process.returncode == 0
        assert output == ""
        assert "Traceback" not in errors
        assert not living(children)
    assert (tmp_path / "dagster" / "history").is_dir()
    assert not (tmp_path / "home" / "dagster").exists()


def test_a_browser_is_shown_a_file_that_leads_there(tmp_path: Path) -> None:
    """The arguments of a browser can be read by every user of the machine."""
    home, shown = tmp_path / "home", tmp_path / "shown"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {shown}.new\nmv {shown}.new {shown}\n')
    browser.chmod(0o700)
    variables = write_home(home, "http://127.0.0.1:9") | {"BROWSER": str(browser)}
    with running_ui(home, variables, "--browser") as page:
        deadline = time.monotonic() + 60
        while not shown.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        file = home / "ui.html"
        assert shown.read_text().strip() == file.as_uri()
        assert file.stat().st_mode & 0o777 == 0o600
        assert page.opening_url in file.read_text()
        page.process.send_signal(signal.SIGINT)
        page.process.communicate(timeout=60)
        assert not file.exists()


def test_nothing_outlives_a_killed_ui(tmp_path: Path) -> None:
    with running_ui(tmp_path / "home", write_home(tmp_path / "home", "http://127.0.0.1:9")) as page:
        children = descendants(page.process.pid)
        page.process.kill()
        assert living(children)
        assert not living_after(children, 60)


def _is_dagster(pid: int) -> bool:
    try:
        return b"dagster" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_can_be_ended_while_it_starts(tmp_path: Path) -> None:
    process = start_hyve(
        "ui", "--port", "0", "--no-browser", variables=write_home(tmp_path / "home", "http://127.0.0.1:9")
    )
    deadline = time.monotonic() + 60
    # Libraries have small children of their own while they are loaded.
    while not any(map(_is_dagster, children := descendants(process.pid))) and time.monotonic() < deadline:
        time.sleep(0.05)
    children |= descendants(process.pid)
    process.terminate()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output == ""
    assert children
    assert not living(children)

"""`hyve ui` while it runs: what it shows, and what it answers to another page or another user of the machine."""

import http.client
import json
import re
import socket
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline_tests.cli.test_private import wide_files
from hyve_pipeline_tests.pages import Page, running_ui, write_home
from hyve_pipeline_tests.processes import descendants
from hyve_pipeline_tests.servers import client_for, put_objects
from hyve_pipeline_tests.syncs import Hyve

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc"),
    pytest.mark.timeout(300),
    # One process of the tests runs all that share the UI, which takes seconds to start.
    pytest.mark.xdist_group("ui"),
]

_PATIENCE = 60

_LAUNCH = (
    'mutation { launchRun(executionParams: {mode: "default", runConfigData: "%s", selector: {jobName: "images_delete", '
    'repositoryLocationName: "hyve_pipeline", repositoryName: "__repository__"}}) { __typename '
    "... on RunConfigValidationInvalid { errors { message } } } }"
)
_DELETE = _LAUNCH % ""
_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "c2l4dGVlbiBieXRlcyEhIQ==",
    "Sec-WebSocket-Protocol": "graphql-ws",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user's browser notes what it is to show."""
    return tmp_path_factory.mktemp("browser") / "shown"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, shown: Path) -> Iterator[Page]:
    home = tmp_path_factory.mktemp("ui") / "home"
    browser = shown.with_name("browser")
    browser.write_text(f'#!/bin/sh\necho "$1" > {shown}.new\nmv {shown}.new {shown}\n')
    browser.chmod(0o700)
    with EmbeddedServer() as server:
        client = client_for(server.endpoint_url)
        client.create_bucket(Bucket="rootwork")
        client.create_bucket(Bucket="store")
        put_objects(client, "rootwork", {"a": b"1", "b": b"2"})
        variables = write_home(home, server.endpoint_url)
        with running_ui(home, variables | {"BROWSER": str(browser)}, "--browser", umask=0) as page:
            yield page


@pytest.fixture(scope="module")
def run(page: Page) -> str:
    """A dryrun that was launched, and has ended."""
    run = page.launch("images_dryrun")
    assert page.await_end(run) == "SUCCESS"
    return run


def _send(
    page: Page, method: str, target: str, headers: Mapping[str, str], body: str | None = None
) -> http.client.HTTPResponse:
    """Send a request as it is, whatever a library would think of it."""
    connection = http.client.HTTPConnection(urlsplit(page.url).netloc, timeout=60)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    content = (body or "").encode()
    length = {"Content-Length": str(len(content))} if body is not None else {}
    for name, value in {"Host": urlsplit(page.url).netloc, **length, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(content)
    return connection.getresponse()


def _cookie(page: Page) -> dict[str, str]:
    """What a browser that has opened the UI sends along."""
    return {"Cookie": f"hyve_ui_{urlsplit(page.url).port}={page.token}"}


def _runs(page: Page) -> int:
    return len(page.ask("{ runsOrError { ... on Runs { results { runId } } } }")["runsOrError"]["results"])


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


def test_a_browser_is_shown_a_file_that_leads_there(page: Page, shown: Path) -> None:
    """The arguments of a browser can be read by every user of the machine."""
    deadline = time.monotonic() + _PATIENCE
    while not shown.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    file = page.home / "ui.html"
    assert shown.read_text().strip() == file.as_uri()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert page.opening_url in file.read_text()


def test_what_a_launched_run_keeps_is_its_owners_alone(page: Page, run: str) -> None:
    """The UI was started under a umask that takes nothing away."""
    assert (page.home / "out" / "images" / "new.txt").read_text() == "a\nb\n"
    configuration = page.home / "hyve.toml"  # which the test has written
    assert wide_files(page.home).keys() <= {configuration}
    assert (page.home / "dagster" / "history").is_dir()


def test_a_home_has_one_ui_at_a_time(page: Page, hyve: Hyve) -> None:
    # Neither another port nor the same one.
    for port in ("0", page.url.rpartition(":")[2]):
        second = hyve("ui", "--port", port, "--no-browser", "--home", str(page.home))
        assert second.code == 2
        where = f"{page.url} (process {page.process.pid} on {socket.gethostname()})"
        assert second.only_line.startswith(f"hyve ui runs already on {page.home}: {where}")
        assert str(page.home / "ui.token") in second.only_line
        assert page.token not in second.only_line


def test_a_port_that_is_taken_is_one_line(page: Page, hyve: Hyve, tmp_path: Path) -> None:
    port = page.url.rpartition(":")[2]
    (tmp_path / "hyve.toml").write_bytes((page.home / "hyve.toml").read_bytes())
    taken = hyve("ui", "--port", port, "--no-browser", "--home", str(tmp_path))
    assert taken.code == 2
    assert f"127.0.0.1:{port}" in taken.only_line
    assert "--port" in taken.only_line


def test_only_the_gate_listens_and_on_loopback_alone(page: Page) -> None:
    """Any other server on a port would get requests without it."""
    sockets = {
        str(link.readlink())
        for pid in {page.process.pid, *descendants(page.process.pid)}
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    lines = [
        line.split()
        for table in ("tcp", "tcp6", "udp", "udp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    bound = {fields[1] for fields in lines if f"socket:[{fields[9]}]" in sockets and fields[2].endswith(":0000")}
    loopback = int.from_bytes(socket.inet_aton("127.0.0.1"), sys.byteorder)
    assert bound == {f"{loopback:08X}:{urlsplit(page.url).port:04X}"}


def test_nothing_is_launched_for_another_page(page: Page) -> None:
    """What a browser sends without asking first; Dagster's own web server launches a run for most of it."""
    known, body = _cookie(page), json.dumps({"query": _DELETE})
    typed = {"Content-Type": "application/json"}
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    before = _runs(page)
    attacks = {
        "text": _send(page, "POST", "/graphql", known | {"Content-Type": "text/plain"}, body),
        "text that says JSON": _send(
            page, "POST", "/graphql", known | {"Content-Type": "text/plain; application/json"}, body
        ),
        "no type": _send(page, "POST", "/graphql", known, body),
        "form": _send(
            page,
            "POST",
            f"/graphql?query={quote(_DELETE)}",
            known | {"Content-Type": "application/x-www-form-urlencoded"},
            "a=b",
        ),
        "URL": _send(page, "GET", f"/graphql?query={quote(_DELETE)}", known),
        "origin": _send(page, "POST", "/graphql", known | typed | {"Origin": "http://evil.example"}, body),
        "sandbox": _send(page, "POST", "/graphql", known | typed | {"Origin": "null"}, body),
        "other port": _send(page, "POST", "/graphql", known | typed | {"Sec-Fetch-Site": "same-site"}, body),
        "name": _send(page, "POST", "/graphql", known | typed | {"Host": "evil.example"}, body),
        "no token": _send(page, "POST", "/graphql", typed, body),
        "preflight": _send(page, "OPTIONS", "/graphql", known | foreign | {"Access-Control-Request-Method": "POST"}),
        "asset": _send(page, "POST", "/report_asset_materialization/images/plan", known, "{}"),
    }
    answers = {name: (answer.status, answer.headers) for name, answer in attacks.items()}
    assert {name: status for name, (status, _) in answers.items() if status < 400} == {}
    assert not [name for name, (_, headers) in answers.items() if headers["Access-Control-Allow-Origin"]]
    assert _runs(page) == before
    # The same as a page of the UI sends it is launched.
    own = known | typed | {"Origin": page.url, "Sec-Fetch-Site": "same-origin"}
    launched = json.load(_send(page, "POST", "/graphql", own, body))
    assert launched["data"]["launchRun"]["__typename"] == "LaunchRunSuccess"
    assert _runs(page) == before + 1


def test_websockets_of_other_pages_are_refused(page: Page) -> None:
    own = {**_HANDSHAKE, **_cookie(page), "Origin": page.url}
    others = [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "same-site"},
        {"Cookie": "hyve_ui_3000=other"},
    ]
    assert _send(page, "GET", "/graphql", own).status == 101
    assert [_send(page, "GET", "/graphql", own | other).status for other in others] == [403] * 5


def test_nothing_is_shown_without_the_token(page: Page) -> None:
    for path in ("/", "/server_info", "/graphql", "/logs/a/compute_logs/b.out", "/favicon.png"):
        answer = _send(page, "GET", path, {"Accept": "text/html"})
        assert answer.status == 403, path
        assert "open the URL that <code>hyve ui</code> printed" in answer.read().decode(), path


def test_what_the_ui_needs_is_there(page: Page, run: str) -> None:
    def get(path: str) -> tuple[int, bytes]:
        answer = _send(page, "GET", path, _cookie(page))
        return answer.status, answer.read()

    status, index = get("/")
    assert status == 200
    scripts = re.findall(rb'<script[^>]+src="([^"]+)"', index)
    assert scripts
    assert all(get(script.decode())[0] == 200 for script in scripts)
    status, info = get("/server_info")
    assert (status, "dagster_version" in json.loads(info)) == (200, True)
    data = page.ask(
        "query($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events { "
        "... on LogsCapturedEvent { fileKey } } } } } }",
        id=run,
    )
    (file_key,) = {event["fileKey"] for event in data["runOrError"]["eventConnection"]["events"] if event}
    data = page.ask(
        "query($key: [String!]!) { capturedLogsMetadata(logKey: $key) { stderrDownloadUrl } }",
        key=[run, "compute_logs", file_key],
    )
    assert get(data["capturedLogsMetadata"]["stderrDownloadUrl"])[0] == 200
    assert get(f"/download_debug/{run}")[0] == 200


@pytest.mark.parametrize(
    "config",
    [
        {"resources": {"images_sync": {"config": {"options": {"trash": "s3://evil/"}}}}},
        {"resources": {"images_sync": {"config": {"home": "/tmp"}}}},
        {"resources": {"images_parquet": {"config": {"home": "/tmp"}}}},
        {"ops": {"images_delete_shard": {"config": {"acl": "public-read"}}}},
    ],
)
def test_no_launch_sets_what_the_sync_is(page: Page, config: dict[str, object]) -> None:
    before = _runs(page)
    query = _LAUNCH % json.dumps(config).replace('"', '\\"')
    launched = page.ask(query)["launchRun"]
    assert launched["__typename"] == "RunConfigValidationInvalid"
    assert _runs(page) == before


def test_the_token_is_for_the_owner_alone(page: Page) -> None:
    kept = page.home / "ui.token"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert kept.read_text() == page.token
    assert page.token not in (page.home / "ui.log").read_text()
    processes = descendants(page.process.pid)
    assert not [pid for pid in processes if page.token.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]

"""What all tests share: servers, buckets of a test's own, an AWS profile, syncs, and commands in this process."""

import gc
import os
import subprocess
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest
from hypothesis import settings

from hyve_pipeline.cli.main import run
from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.demo.server import EmbeddedServer
from hyve_pipeline.operations.workers import pool
from hyve_pipeline.s3.connection.server_abilities import forget_all
from hyve_pipeline_tests import moto_server
from hyve_pipeline_tests.ceph.cluster import ceph_gateway, missing_programs
from hyve_pipeline_tests.faults import FaultyServer, faulty_server
from hyve_pipeline_tests.forks import fork_python
from hyve_pipeline_tests.moto_server import MotoServer
from hyve_pipeline_tests.places import MakeBucket, MakePlace
from hyve_pipeline_tests.queues import OwnQueue, make_queue
from hyve_pipeline_tests.receivers import Webhook
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, client_for, rclone_server
from hyve_pipeline_tests.sts import Sts, sts_server
from hyve_pipeline_tests.syncs import Finished, Hyve, MakePair, Pair, new_pair
from hyve_pipeline_tests.tally import counts

# On a busy machine a first call can take long; how long says nothing about right or wrong.
settings.register_profile("hyve", deadline=None)
settings.load_profile("hyve")


# A megabyte or so, if all of them are garbage.
_OBJECTS_BETWEEN_COLLECTIONS = 20_000


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage while all tests are imported, which took a quarter of that time, nor look through it later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 10, 10)
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests in a browser alone where they are not asked for: their library may be missing."""
    unasked = "not browser" in config.option.markexpr
    return True if unasked and collection_path == Path(__file__).parent / "browser" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of rules and types last: all are short, so that no worker has much left when others are done."""
    rules = f"{Path(__file__).parent / 'core'}{os.sep}"
    items.sort(key=lambda item: str(item.path).startswith(rules))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the tests of reliability did; of tests on several workers nothing is known here."""
    if counts:
        figures = ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
        terminalreporter.write_line(f"reliability: {figures}")


PROFILE = "hyve-tests"
_bucket_numbers = count(1)


@pytest.fixture(autouse=True)
def unknown_servers() -> None:
    """Let no test know what an earlier one found out of a server, whose port may be given again."""
    forget_all()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the settings of the user who runs the tests."""
    for name in (
        *("DAGSTER_HOME", "NO_COLOR", "FORCE_COLOR"),
        *("HYVE_HOME", "HYVE_STATE", "HYVE_CACHE", "HYVE_TRACEBACK", "HYVE_SYNC", "HYVE_JSON", "HYVE_NO_INPUT"),
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session", autouse=True)
def hasty_disk() -> Iterator[None]:
    """This process does not wait for the disk at each file that it keeps, a dozen a command: no test pulls the plug."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def shared_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory, shared by the tests of one worker."""
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(autouse=True)
def hasty_database(shared_database: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Diffs in this process share a database: to make one takes longer than most of them."""
    monkeypatch.setattr(duckdb, "connect", shared_database.cursor)


@pytest.fixture(autouse=True)
def hasty_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes of this process are forked: what they import takes longer than what most tests have them do."""
    monkeypatch.setattr(pool, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": fork_python}))


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The endpoint of the demo's server, shared by the tests of one worker."""
    with MotoServer() as server:
        yield server.endpoint_url


@pytest.fixture(scope="session")
def second_moto_endpoint() -> Iterator[str]:
    """The endpoint of a second server of the same kind, which knows nothing of the first one's buckets."""
    with MotoServer() as server:
        yield server.endpoint_url


@pytest.fixture(scope="session")
def version_endpoint() -> Iterator[str]:
    """The endpoint of a server that keeps versions as S3 does, shared by the tests of one worker."""
    from hyve_pipeline_tests.version_server import VersionServer

    with VersionServer() as server:
        yield server.endpoint_url


@pytest.fixture(scope="session")
def queue_endpoint() -> Iterator[str]:
    """The endpoint of a server with S3 and SQS, shared by the tests of one worker."""
    with EmbeddedServer(services=("s3", "sqs")) as server:
        yield server.endpoint_url


@pytest.fixture
def queue(queue_endpoint: str) -> OwnQueue:
    """A queue on that server."""
    return make_queue(queue_endpoint)


@pytest.fixture(scope="session")
def rclone_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of `rclone serve s3`, shared by the tests of one worker; it checks signatures."""
    with rclone_server(tmp_path_factory.mktemp("rclone")) as endpoint_url:
        yield endpoint_url


@pytest.fixture(scope="session")
def ceph_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of Ceph's gateway, for tests with `CEPH`; it checks signatures."""
    if missing := missing_programs():
        pytest.skip(f"Ceph is not installed: this machine has no {missing[0]}")
    with ceph_gateway(tmp_path_factory.mktemp("ceph")) as endpoint_url:
        yield endpoint_url


# Where the state of homes is, in tests whose fixtures make one: ``s3`` runs them all on a state in a bucket of moto's,
# ``ceph`` on one of Ceph's.
TEST_STATE_VARIABLE = "HYVE_TEST_STATE"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests that are marked so on a state in a folder, and on one in a bucket."""
    is_both = metafunc.definition.get_closest_marker("both_states") is not None
    if is_both and "state_kind" in metafunc.fixturenames and TEST_STATE_VARIABLE not in os.environ:
        metafunc.parametrize("state_kind", ["folder", "s3"], indirect=True)


@pytest.fixture
def state_kind(request: pytest.FixtureRequest) -> str:
    """Where the state of homes is: ``folder``, ``s3`` or ``ceph``."""
    return getattr(request, "param", os.environ.get(TEST_STATE_VARIABLE, "folder"))


@pytest.fixture
def state_place(
    request: pytest.FixtureRequest, state_kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BucketSettings | None:
    """The bucket that holds the state of every home, on moto's server or Ceph's; None where each has a folder."""
    if state_kind == "folder":
        return None
    if request.node.get_closest_marker("local_state") is not None:
        pytest.skip("is about a state in a folder")
    endpoint_url = request.getfixturevalue("ceph_endpoint") if state_kind == "ceph" else None
    place: BucketSettings = request.getfixturevalue("make_place")("state", prefix="home/", endpoint_url=endpoint_url)
    settings = {name: getattr(place, name) for name in ("endpoint_url", "profile", "region")}
    monkeypatch.setenv("HYVE_STATE", f"{place.uri}?{urlencode(settings)}")
    monkeypatch.setenv("HYVE_CACHE", str(tmp_path / "cache"))
    return place


def hide_aws_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests' own AWS profile be the only one there is, and hide the user's AWS and proxy settings."""
    for name in os.environ:
        if name.startswith("AWS_") or name.upper().endswith(("_PROXY", "_CA_BUNDLE")):
            monkeypatch.delenv(name)
    credentials = folder / "aws_credentials"
    credentials.write_text(
        f"[{PROFILE}]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "aws_config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the only AWS profile there is; nothing of the user's AWS or proxy settings is seen."""
    hide_aws_settings(tmp_path, monkeypatch)
    return PROFILE


@pytest.fixture
def make_bucket(request: pytest.FixtureRequest) -> Iterator[MakeBucket]:
    """Makes buckets on moto's server, or on the one that is named; at the end moto's are gone."""
    made: dict[str, list[str]] = {}

    def make(label: str = "bucket", *, endpoint_url: str | None = None, versioned: bool = False) -> str:
        name = f"{label}-{os.getpid()}-{next(_bucket_numbers)}"
        endpoint_url = endpoint_url or str(request.getfixturevalue("moto_endpoint"))
        if moto_server.is_running(endpoint_url):
            moto_server.make_bucket(endpoint_url, name, REGION, versioned=versioned)
        else:
            client = client_for(endpoint_url)
            client.create_bucket(Bucket=name)
            if versioned:
                client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        made.setdefault(endpoint_url, []).append(name)
        return name

    yield make
    for server, buckets in made.items():
        if moto_server.is_running(server):
            moto_server.drop_all(server, buckets)


@pytest.fixture
def make_place(request: pytest.FixtureRequest, make_bucket: MakeBucket, aws_profile: str) -> MakePlace:
    """Makes buckets on moto's server, or on the one that is named, and gives the settings that reach them."""

    def make(
        label: str = "bucket",
        *,
        endpoint_url: str | None = None,
        versioned: bool = False,
        prefix: str = "",
    ) -> BucketSettings:
        endpoint_url = endpoint_url or request.getfixturevalue("moto_endpoint")
        bucket = make_bucket(label, endpoint_url=endpoint_url, versioned=versioned)
        return BucketSettings(
            bucket=bucket, prefix=prefix, profile=aws_profile, region=REGION, endpoint_url=endpoint_url
        )

    return make


@pytest.fixture
def make_pair(
    tmp_path: Path, make_place: MakePlace, state_place: BucketSettings | None, monkeypatch: pytest.MonkeyPatch
) -> MakePair:
    """Makes a sync whose home is the one that commands use by default."""

    def make(
        *,
        endpoint_url: str | None = None,
        through: FaultyServer | None = None,
        prefixes: tuple[str, str] = ("", ""),
        versioned: bool = False,
        **options: Any,
    ) -> Pair:
        home = tmp_path / "home"
        pair = new_pair(
            make_place, home, endpoint_url=endpoint_url, through=through, prefixes=prefixes, versioned=versioned
        )
        pair.configure(**options)
        monkeypatch.setenv("HYVE_HOME", str(home))
        return pair

    return make


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """A sync with shards of 5 objects, so that a few objects are several runs."""
    return make_pair(shard_objects=5)


@pytest.fixture
def hyve(capfd: pytest.CaptureFixture[str]) -> Hyve:
    """Runs commands in this process: a child of its own takes seconds to import everything."""

    def hyve(*arguments: str) -> Finished:
        capfd.readouterr()
        code = run(arguments)
        captured = capfd.readouterr()
        return Finished(code, captured.out, captured.err)

    return hyve


@pytest.fixture
def faulty(moto_endpoint: str) -> Iterator[FaultyServer]:
    """A proxy before moto's server."""
    with faulty_server(moto_endpoint) as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A receiver of alerts."""
    webhook = Webhook()
    yield webhook
    webhook.stop()


@pytest.fixture
def sts() -> Iterator[Sts]:
    """A server that lets roles be assumed."""
    with sts_server() as script:
        yield script

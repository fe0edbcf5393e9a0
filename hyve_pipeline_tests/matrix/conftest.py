"""Runs each setting of the matrix once, and writes docs/compatibility.md on request."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline_tests.conftest import PROFILE, hide_aws_settings
from hyve_pipeline_tests.matrix.abilities import Scratch
from hyve_pipeline_tests.matrix.cases import Case
from hyve_pipeline_tests.matrix.conditions import RACES, ignored, run_races
from hyve_pipeline_tests.matrix.histories import HistoryRun, run_histories
from hyve_pipeline_tests.matrix.report import WHOLE, Outcomes, write_report
from hyve_pipeline_tests.matrix.runs import MatrixBucket, MatrixSide, Run, refusal_of, run_matrix
from hyve_pipeline_tests.matrix.servers import OWN_PREFIX, REPORT_VARIABLE, Server, Setting, own_prefix, own_server
from hyve_pipeline_tests.matrix.uploads import delete_below

_outcomes = Outcomes()
_buckets = iter(range(1, 1_000_000))

FindServer = Callable[[str], Server]
FindRun = Callable[[Setting], Run]

# The journal's row of each race, and why the server alone did not hold the write back; None if it did.
Races = dict[str, tuple[dict[str, Any], str | None]]
FindRaces = Callable[[Setting], Races]
FindHistories = Callable[[Setting], HistoryRun]


@pytest.fixture(scope="session")
def find_server(request: pytest.FixtureRequest) -> FindServer:
    """Returns servers by their names in settings; each is started on first use."""
    started = {
        "moto": ("moto", "moto_endpoint"),
        "second moto": ("moto", "second_moto_endpoint"),
        "exact moto": ("moto", "version_endpoint"),
        "rclone": ("rclone", "rclone_endpoint"),
        "ceph": ("ceph", "ceph_endpoint"),
    }

    def find(name: str) -> Server:
        if name.startswith("own "):
            return own_server(name.removeprefix("own "))
        kind, fixture = started[name]
        return Server(kind, request.getfixturevalue(fixture))

    return find


@pytest.fixture(scope="session")
def find_run(tmp_path_factory: pytest.TempPathFactory, find_server: FindServer) -> FindRun:
    """Returns the run of a setting; each is made once, on first use."""
    known: dict[tuple[str, str, bool], str | None] = {}

    def try_once(side: MatrixSide, case: Case, copies: bool) -> str | None:
        """The result of one server holds for all of its kind."""
        question = (side.kind, case.name, copies)
        if question not in known:
            known[question] = refusal_of(side, case, copies)
        return known[question]

    def begin(setting: Setting) -> Run:
        home = tmp_path_factory.mktemp(setting.name)
        with _open_sides(find_server, setting, home) as (source, store):
            prefix = max(source.place.prefix, store.place.prefix, key=len)
            run = Run(source, store, setting.choose(prefix), home)
            run_matrix(run, setting.options, try_once)
            return run

    # A setting that failed is not run again for each of its tests.
    ended: dict[str, Run | str] = {}

    def find(setting: Setting) -> Run:
        if setting.name not in ended:
            ended[setting.name] = "see the first test of this setting"
            ended[setting.name] = begin(setting)
        found = ended[setting.name]
        if isinstance(found, str):
            pytest.fail(found, pytrace=False)
        return found

    return find


@pytest.fixture(scope="session")
def find_races(tmp_path_factory: pytest.TempPathFactory, find_server: FindServer) -> FindRaces:
    """Returns what the journal says of each key that another program wrote, and why the server did not refuse it."""
    ended: dict[str, Races] = {}

    def find(setting: Setting) -> Races:
        if setting.name not in ended:
            home = tmp_path_factory.mktemp(f"{setting.name}-races")
            with _open_sides(find_server, setting, home) as (source, store):
                copies = source.bucket.client is store.bucket.client
                reasons = {
                    race.name: ignored(store.scratch, race.operation(copies=copies), is_new=race.is_new)
                    for race in RACES
                }
                rows = run_races(source, store, home, dict(setting.options))
            ended[setting.name] = {race.name: (rows[race.key], reasons[race.name]) for race in RACES}
        return ended[setting.name]

    return find


@pytest.fixture(scope="session")
def find_histories(tmp_path_factory: pytest.TempPathFactory, find_server: FindServer) -> FindHistories:
    """Returns what the syncs of all versions of a setting gave; each setting is run once, on first use."""

    @cache
    def find(setting: Setting) -> HistoryRun:
        home = tmp_path_factory.mktemp(f"{setting.name}-histories")
        with _open_sides(find_server, replace(setting, versioned=True), home) as (source, store):
            return run_histories(source, store, home, setting.options)

    return find


@contextmanager
def _open_sides(find_server: FindServer, setting: Setting, home: Path) -> Iterator[tuple[MatrixSide, MatrixSide]]:
    """The sides of a setting, and an environment without the user's settings where no server is the user's."""
    servers = [find_server(name) for name in (setting.source, setting.store)]
    with ExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        if all(server.bucket is None for server in servers):
            hide_aws_settings(home, environment)
        for name in ("DAGSTER_HOME", "HYVE_TRACEBACK"):
            environment.delenv(name, raising=False)
        source, store = (
            _side(server, label, setting, stack) for server, label in zip(servers, ("source", "store"), strict=True)
        )
        yield source, store


def _side(server: Server, label: str, setting: Setting, stack: ExitStack) -> MatrixSide:
    """A bucket of the setting's own, or a prefix of its own in a user's bucket."""
    client = server.client
    if server.bucket is not None:
        return _own_side(server, label, stack)
    name, scratch = (f"matrix-{kind}-{os.getpid()}-{next(_buckets)}" for kind in (label, "scratch"))
    for bucket in (name, scratch):
        client.create_bucket(Bucket=bucket)
    keeps_versions = setting.versioned and _keep_versions(client, name)
    has_locks = setting.has_locks and server.kind == "moto"
    for bucket in (name, scratch) if has_locks else ():
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        configuration = {"ObjectLockEnabled": "Enabled"}
        client.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=configuration)
    if setting.store_encrypts and label == "store":
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": server.kms_key_id}}
        for bucket in (name, scratch):
            client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    place = BucketSettings(bucket=name, profile=PROFILE, region=server.region, endpoint_url=server.endpoint_url)
    where = MatrixBucket(place, client), Scratch(client, scratch, "")
    return MatrixSide(server.kind, *where, keeps_versions, server.kms_key_id, has_locks)


def _keep_versions(client: Any, bucket: str) -> bool:
    """Let a bucket keep versions, if the server can."""
    try:
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    except client.exceptions.ClientError:
        return False
    return True


def _own_side(server: Server, label: str, stack: ExitStack) -> MatrixSide:
    assert server.bucket is not None
    client, prefix = server.client, own_prefix()
    assert prefix.startswith(OWN_PREFIX)
    stack.callback(delete_below, client, server.bucket, prefix)
    place = BucketSettings(
        bucket=server.bucket,
        prefix=f"{prefix}{label}/",
        profile=server.profile,
        region=server.region,
        endpoint_url=server.endpoint_url,
    )
    try:
        keeps_versions = client.get_bucket_versioning(Bucket=server.bucket).get("Status") == "Enabled"
    except client.exceptions.ClientError:
        keeps_versions = False
    try:
        found = client.get_object_lock_configuration(Bucket=server.bucket)["ObjectLockConfiguration"]
        has_locks = found.get("ObjectLockEnabled") == "Enabled"
    except client.exceptions.ClientError:
        has_locks = False
    where = MatrixBucket(place, client), Scratch(client, server.bucket, f"{prefix}tried/")
    return MatrixSide(server.kind, *where, keeps_versions, server.kms_key_id, has_locks)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Record the outcome of each case, for the table."""
    report: pytest.TestReport = yield
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    if "setting" in parameters:
        setting = parameters["setting"]
        names = (parameters.get(name) for name in ("case_name", "race_name", "history_name"))
        case_name = next((name for name in names if name is not None), WHOLE)
        assert isinstance(setting, Setting)
        _outcomes.note(setting, str(case_name), report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table, if the environment names a file."""
    path = os.environ.get(REPORT_VARIABLE)
    if path and _outcomes:
        write_report(Path(path), _outcomes)

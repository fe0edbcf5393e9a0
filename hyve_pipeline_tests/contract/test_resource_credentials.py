"""A project's S3Resource is all the credentials there are: runs use it, and nothing else ever sees a key."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_aws.s3 import S3Resource

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.operations.plan.freeze import choose_plan
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.definitions.s3_resource import Borrowed, complete_sync
from hyve_pipeline_tests.conftest import MakeBucket
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.orchestration.projects import loaded, resource_of
from hyve_pipeline_tests.s3.scripted import error_answer
from hyve_pipeline_tests.servers import client_for, put_objects, read_bucket

pytestmark = pytest.mark.usefixtures("made_storage")

SECRETS = {"SHOP_KEY_ID": "AKIDRESOURCE", "SHOP_SECRET": "resource-secret", "SHOP_TOKEN": "resource-token"}

RESOURCES = """
import dagster as dg
from dagster_aws.s3 import S3Resource

defs = dg.Definitions(
    resources={{
        "s3": S3Resource(
            endpoint_url="{endpoint_url}",
            region_name="us-east-1",
            aws_access_key_id=dg.EnvVar("SHOP_KEY_ID"),
            aws_secret_access_key=dg.EnvVar("SHOP_SECRET"),
            aws_session_token=dg.EnvVar("SHOP_TOKEN"),
        )
    }}
)
"""


@pytest.fixture
def no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's default chain finds nothing."""
    for name in os.environ:
        if name.startswith("AWS_") or name.upper().endswith(("_PROXY", "_CA_BUNDLE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return Home(tmp_path / "home")


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_instance(home) as opened:
        yield opened


def project(home: Home, endpoint_url: str, source: str, store: str) -> dict[str, str]:
    sync = f"""
        type: hyve_pipeline.BucketSync
        attributes:
          home: {home.path}
          source: {{bucket: {source}, resource: s3}}
          store: {{bucket: {store}, resource: s3}}
    """
    return {"images/defs.yaml": sync, "resources.py": RESOURCES.format(endpoint_url=endpoint_url)}


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, **more: Any) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **more)


def why(result: dg.ExecuteInProcessResult) -> str:
    return " ".join(str(event.event_specific_data) for event in result.all_events if event.is_failure)


def files_with(folder: Path, *texts: str) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if any(text.encode() in path.read_bytes() for text in texts)]


def check_what_is_known_outside_of_runs(sync: SyncContext, endpoint_url: str) -> None:
    """Sensors know the plan, and can reach no bucket; with another server the plan is not the same."""
    plan = choose_plan(sync, None)
    assert (plan.store.endpoint_url, plan.store.resource) == (endpoint_url, "s3")
    with pytest.raises(ConfigurationError, match="resource 's3' of a Dagster project; only runs"):
        sync.connect(plan.store)
    moved = {"s3": Borrowed(profile=None, region=None, endpoint_url=None, keys=None)}
    with pytest.raises(ConfigurationError, match="was made for the source"):
        choose_plan(replace(sync, settings=complete_sync(sync.settings, moved), keys={"s3": None}), None)


def test_a_whole_sync_with_the_credentials_of_a_resource(
    make_bucket: MakeBucket,
    moto_endpoint: str,
    faulty: FaultyServer,
    home: Home,
    instance: dg.DagsterInstance,
    no_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    source, store = make_bucket("source"), make_bucket("store")
    client = client_for(moto_endpoint)
    put_objects(client, source, {"a": b"1", "b": b"2"})
    put_objects(client, store, {"b": b"old", "gone": b"3"})
    with loaded(project(home, faulty.endpoint_url, source, store)) as definitions:
        # Loading, and the looks of sensors, need neither keys nor a server.
        dg.Definitions.validate_loadable(definitions)
        assert faulty.received == []
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)
        results = [run(definitions, instance, "images_dryrun")]
        for action in ("copy", "delete"):
            for shard in instance.get_dynamic_partitions(Names("images", home.id).shard_set(action)):
                results.append(run(definitions, instance, f"images_{action}", partition_key=shard))
        results.append(run(definitions, instance, "images_verify"))
        check_what_is_known_outside_of_runs(resource_of(definitions).context(), faulty.endpoint_url)
        assert [result.success for result in results] == [True] * 4, [why(result) for result in results]
        faulty.fault = lambda received: error_answer(403, "InvalidAccessKeyId")
        failed = run(definitions, instance, "images_dryrun")
        assert "resource 's3'" in why(failed)
    assert read_bucket(client, store) == {"a": b"1", "b": b"2"}
    assert all("AKIDRESOURCE" in received.headers["authorization"] for received in faulty.received)
    assert all(received.headers["x-amz-security-token"] == "resource-token" for received in faulty.received)
    printed = capfd.readouterr()
    assert not [secret for secret in SECRETS.values() if secret in printed.out + printed.err]
    assert files_with(home.path, store), "the search finds nothing at all"
    assert list((home.path / "dagster").rglob("*.db")), "Dagster's storage is elsewhere"
    assert files_with(home.path, *SECRETS.values()) == []


def test_the_server_of_a_resource_counts_before_anything_is_read(
    home: Home, instance: dg.DagsterInstance, no_credentials: None
) -> None:
    files = project(home, "http://127.0.0.1:9", "hyve-store", "hyve-store")
    overlapping = files["images/defs.yaml"].replace(
        "{bucket: hyve-store, resource: s3}", "{bucket: hyve-store, endpoint_url: 'http://localhost:9'}", 1
    )
    resources = {"s3": S3Resource(endpoint_url="http://127.0.0.1:9")}
    with loaded({"images/defs.yaml": overlapping}) as definitions:
        complete = dg.Definitions.merge(definitions, dg.Definitions(resources=resources))
        failed = run(complete, instance, "images_dryrun")
    assert "store: overlaps the source: s3://hyve-store/ and s3://hyve-store/" in why(failed)
    assert not (home.path / "state" / "images" / "inventories").exists()


def test_a_resource_that_the_project_has_not_is_named(home: Home) -> None:
    files = project(home, "http://127.0.0.1:9", "hyve-in", "hyve-store")
    with loaded({"images/defs.yaml": files["images/defs.yaml"]}) as definitions:
        needed = "Resource with key 's3' required by resource with key 'images_sync'"
        with pytest.raises(dg.DagsterInvariantViolationError, match=needed):
            dg.Definitions.validate_loadable(definitions)


def test_a_resource_of_another_kind_fails_the_run_with_one_line(home: Home, instance: dg.DagsterInstance) -> None:
    files = project(home, "http://127.0.0.1:9", "hyve-in", "hyve-store")
    with loaded({"images/defs.yaml": files["images/defs.yaml"]}) as definitions:
        complete = dg.Definitions.merge(definitions, dg.Definitions(resources={"s3": "no resource"}))
        failed = run(complete, instance, "images_dryrun")
    assert "resource 's3' is a str: a sync needs a dagster_aws.s3.S3Resource" in why(failed)

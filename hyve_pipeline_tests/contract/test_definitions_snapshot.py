"""All Dagster definitions of one sync, compared with a file, so that each change of them is seen in a review."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from hyve_pipeline.core.settings.places import BucketSettings
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.definitions.build import load_definitions
from hyve_pipeline_tests.syncs import sync_table

_SNAPSHOT = Path(__file__).with_name("definitions.txt")


def test_the_definitions_of_a_sync_are_those_of_the_file(tmp_path: Path, aws_profile: str) -> None:
    source = BucketSettings(bucket="in-bucket", profile=aws_profile)
    store = BucketSettings(bucket="out-bucket", profile=aws_profile)
    table = sync_table("images", source, store, compare_properties=True)
    (tmp_path / "hyve.toml").write_text(f'{table}[sync.images]\nschedule = "0 2 * * *"\n')
    home = Home(tmp_path)
    found = _described(load_definitions(home)).replace(home.id, "HOME")
    assert found == _SNAPSHOT.read_text(encoding="utf-8"), f"update {_SNAPSHOT.name} if this is what you want:\n{found}"


def _described(definitions: dg.Definitions) -> str:
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    sections = {
        "assets": [
            f"{key.to_user_string()} <- {_listed(parent.to_user_string() for parent in graph.get(key).parent_keys)}"
            for key in graph.get_all_asset_keys()
        ],
        "checks": [
            f"{key.to_user_string()}{' (blocking)' if graph.get(key).blocking else ''}"
            for key in graph.asset_check_keys
        ],
        "jobs": [
            f"{job.name}: {_listed(node.name for node in job.nodes)}; {job.partitions_def or 'no partitions'}"
            for job in definitions.resolve_all_job_defs()
            if not job.name.startswith("__")
        ],
        "sensors": [
            f"{sensor.name}: {sensor.default_status.value}, every {sensor.minimum_interval_seconds} s, requests "
            f"{_listed(target.job_name for target in sensor.targets)}"
            for sensor in repository.sensor_defs
        ],
        "schedules": [
            f"{schedule.name}: {schedule.default_status.value}, "
            f"{schedule.cron_schedule} {schedule.execution_timezone}, requests {schedule.job_name}"
            for schedule in repository.schedule_defs
        ],
        "resources": [f"{name}: {type(resource).__name__}" for name, resource in (definitions.resources or {}).items()],
    }
    return "\n".join(
        f"{title}\n{''.join(f'  {line}{chr(10)}' for line in sorted(found))}" for title, found in sections.items()
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"

"""The tags of a sync's runs: few enough to be read, and enough to find the runs by."""

from collections.abc import Callable

import dagster as dg

from hyve_pipeline.orchestration.common.liveness import GOING_ON
from hyve_pipeline.orchestration.common.runs import find_runs
from hyve_pipeline_tests.orchestration.conftest import Daemon
from hyve_pipeline_tests.syncs import Hyve, Pair

MakeDaemon = Callable[[Pair], Daemon]
_STARTED = dg.DagsterRunStatus.STARTED


def _begin(daemon: Daemon, job: str = "images_dryrun", **tags: str) -> str:
    """A run with these tags alone, as it was launched by another version."""
    definition = daemon.definitions.resolve_job_def(job)
    return daemon.instance.create_run_for_job(definition, tags=tags, status=_STARTED).run_id


def _found(daemon: Daemon, **conditions: object) -> list[str]:
    records = find_runs(daemon.instance, daemon.names, GOING_ON, **conditions)  # type: ignore[arg-type]
    return [record.dagster_run.run_id for record in records]


def test_runs_are_found_by_the_tags_of_this_version_and_the_one_before(pair: Pair, make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(pair)
    before = {"hyve/sync": "images", "hyve/home": daemon.home.id}
    old = _begin(daemon, **before)
    new = _begin(daemon, **daemon.names.tags)
    both = _begin(daemon, "images_verify", **(before | daemon.names.tags | {"hyve/plan": "a"}))
    for other in ({"hyve/sync": "images", "hyve/home": "another"}, {**daemon.names.tags, "hyve/sync": "films"}):
        _begin(daemon, **other)
    assert _found(daemon) == [both, new, old]
    assert _found(daemon, oldest_first=True) == [old, new, both]
    assert _found(daemon, limit=1) == [both]
    assert _found(daemon, job="images_dryrun") == [new, old]
    assert _found(daemon, tags={"hyve/plan": "a"}) == [both]


def test_a_run_shows_the_tags_that_a_user_reads(pair: Pair, hyve: Hyve, make_daemon: MakeDaemon) -> None:
    pair.automate("all")
    pair.source.put({"a": b"1"})
    plan = hyve("dryrun", "--json").document["plan"]
    daemon = make_daemon(pair)
    daemon.tick()
    (record,) = find_runs(daemon.instance, daemon.names, [dg.DagsterRunStatus.SUCCESS])
    shown = {name: value for name, value in record.dagster_run.tags.items() if "dagster/" not in name}
    assert shown == {"hyve/sync": "images", "hyve/plan": plan, "hyve/attempt": "1"}

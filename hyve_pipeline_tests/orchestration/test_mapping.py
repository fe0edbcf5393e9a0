"""A mapping in Dagster: its runs plan, copy, delete and verify by the same rules as commands, and show both names."""

import json
from collections.abc import Callable

from hyve_pipeline_tests.orchestration.conftest import Daemon
from hyve_pipeline_tests.syncs import NAME, Hyve, MakePair, Pair

_RULE = {"match": r"incoming/(\d+)/(.*)", "replace": r"photos/\2-\1"}


def test_runs_go_by_the_rules(make_pair: MakePair, hyve: Hyve, make_daemon: Callable[[Pair], Daemon]) -> None:
    pair = make_pair(max_deletes=100)
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in _RULE.items())
    with (pair.home / "hyve.toml").open("a") as file:
        file.write(f"[[sync.{NAME}.mapping]]\n{lines}")
    pair.source.put({"incoming/7/a": b"1", "incoming/8/b": b"2", "other": b"3"})
    pair.store.put({"photos/gone-1": b"g", "readme": b"r"})
    daemon = make_daemon(pair)
    assert daemon.run(f"{NAME}_dryrun").success
    (plan,) = daemon.sync.plans.ids()
    assert pair.lines("new") == ["photos/a-7", "photos/b-8"]
    for job in ("copy", "delete", "verify"):
        assert daemon.run(f"{NAME}_{job}", tags=None).success, job
    assert pair.store.read() == {"photos/a-7": b"1", "photos/b-8": b"2", "readme": b"r"}
    shown = hyve("show", plan, "--keys", "all").out
    assert "photos/a-7  from incoming/7/a\n" in shown
    assert hyve("dryrun", "--json").document["new"]["objects"] == 0

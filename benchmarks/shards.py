"""CPU seconds of what is done with a plan of very many shards: ``python -m benchmarks.shards [SHARDS]``.

A plan has at most 2,000 shards; this one has one for each object, by force, so that anything that grows with the shards
shows. No server is needed.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import dagster as dg

from benchmarks.made_up import make_home, make_inventories, make_journal, newest_inventories, open_home
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import find_shard, plan_status
from hyve_pipeline.operations.plan.diff import diff_inventories
from hyve_pipeline.operations.plan.freeze import freeze_plan, read_shard
from hyve_pipeline.orchestration.common.instance import open_instance
from hyve_pipeline.orchestration.common.names import Names
from hyve_pipeline.orchestration.common.partitions import register_shards
from hyve_pipeline.orchestration.definitions.build import build_sync

T = TypeVar("T")


def main() -> None:
    """Measure, and print a table in Markdown."""
    shards = int(sys.argv[1]) if sys.argv[1:] else 10_000
    with tempfile.TemporaryDirectory(prefix="hyve-shards-") as folder:
        home = Path(folder) / "home"
        context = make_home(home, "shard_objects = 1")
        make_inventories(context, shards, is_store_empty=True)
        plan = freeze_plan(context, diff_inventories(context, *newest_inventories(context)), most_shards=2 * shards)
        print(f"| with {plan.total('copy').shards:,} shards | CPU seconds |\n|---|--:|")
        _measure("load the plan's manifest", lambda: context.plans.load(plan.id))
        middle = plan.partition_key(plan.shards[shards // 2])
        _measure("find a shard, and read its rows", lambda: _read(open_home(home), middle))
        _measure("progress of the plan, nothing begun", lambda: _status(context, plan))
        with open_instance(context.home) as instance:
            names = Names(context.name, context.home.id)
            _measure("add its partitions to Dagster", lambda: register_shards(instance, names, plan, ()))
            _measure_ticks(context, instance, "nothing begun")
            make_journal(context, plan)
            _measure("progress of the plan, all done", lambda: _status(context, plan))
            _measure_ticks(context, instance, "all done")


def _status(context: SyncContext, plan: Plan) -> str:
    # As another process sees it.
    return plan_status(context, context.plans.load(plan.id)).state


def _read(context: SyncContext, partition_key: str) -> int:
    return read_shard(context, *find_shard(context, partition_key, "copy")).num_rows


def _measure_ticks(context: SyncContext, instance: dg.DagsterInstance, when: str) -> None:
    definitions = build_sync(context.home, context.settings)
    for sensor in ("apply", "record", "alert"):
        evaluate = definitions.resolve_sensor_def(f"{context.name}_{sensor}_sensor")
        cursor = None
        for tick in ("first", "second"):
            tick_context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
            data = _measure(
                f"{tick} tick of the {sensor} sensor, {when}",
                lambda evaluate=evaluate, tick_context=tick_context: evaluate.evaluate_tick(tick_context),
            )
            cursor = data.cursor


def _measure(what: str, function: Callable[[], T]) -> T:
    began = time.process_time()
    result = function()
    print(f"| {what} | {time.process_time() - began:.3f} |", flush=True)
    return result


if __name__ == "__main__":
    main()

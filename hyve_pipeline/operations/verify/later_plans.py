"""What plans of some keys have done to the store since a plan of it was made: that is no difference from the plan."""

from contextlib import ExitStack

import pyarrow as pa

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.base.ids import is_older, order_of
from hyve_pipeline.core.model.journal import Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RangeDatabase
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo
from hyve_pipeline.state.journals import shard_journals

_DONE_SCHEMA = pa.schema([("key", pa.string()), ("etag", pa.string()), ("number", pa.int64())])


class LaterPlans:
    """The objects that plans of events and of lists have left in the store since a plan's inventory was taken.

    Args:
        context: the sync.
        plan: the plan that is verified.
        stack: closes what this opens.
    """

    def __init__(self, context: SyncContext, plan: Plan, stack: ExitStack) -> None:
        self._context = context
        self._plan = plan
        self._stack = stack
        self._database: RangeDatabase | None = None

    def explained(self, differences: pa.Table) -> list[str]:
        """The keys of those differences where the store has what the last of these plans left there.

        Nothing is read where nothing differs.

        Raises:
            StateError: a plan or its journal is damaged.
        """
        if not differences.num_rows:
            return []
        if self._database is None:
            self._database = self._stack.enter_context(RangeDatabase())
            self._read(self._database)
        with self._database.showing({"differences": differences.select(["key", "store_etag"])}) as connection:
            # Of a key that several plans did, what the last of them left.
            rows = connection.execute(
                "SELECT key, store_etag, arg_max({'etag': etag}, number) "
                "FROM differences JOIN done USING (key) GROUP BY key, store_etag"
            ).fetchall()
        return [key for key, found, left in rows if same_etag(found, left["etag"])]

    def _read(self, database: RangeDatabase) -> None:
        """Take in the ETag of each object that was copied; null of one that was deleted."""
        context = self._context
        with database.showing({}) as connection:
            connection.execute("CREATE TEMP TABLE done (key VARCHAR, etag VARCHAR, number BIGINT)")
        later = [one for one in context.plans.partial_ids() if is_older(self._plan.store_inventory, one)]
        for number, plan_id in enumerate(sorted({*later} - {self._plan.id}, key=order_of)):
            if not context.plans.exists(plan_id):
                continue
            plan = context.plans.load(plan_id)
            if not plan.store.is_same_place(self._plan.store) or last_undo(context, plan):
                continue
            for shard, journal in shard_journals(context.state, plan):
                done = [
                    {
                        "key": row.key,
                        "etag": (row.etag_after or "") if shard.action == "copy" else None,
                        "number": number,
                    }
                    for row in journal.last_rows().values()
                    if row.outcome is Outcome.DONE
                ]
                with database.showing({"rows": pa.Table.from_pylist(done, _DONE_SCHEMA)}) as connection:
                    connection.execute("INSERT INTO done SELECT * FROM rows")

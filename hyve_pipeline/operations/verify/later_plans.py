"""What plans of some keys have done to the store since a plan of it was made: that is no difference from the plan."""

import pyarrow as pa

from hyve_pipeline.core.base.etags import same_etag
from hyve_pipeline.core.base.ids import is_older, order_of
from hyve_pipeline.core.model.journal import Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.journal.status import last_undo
from hyve_pipeline.state.journals import shard_journals


class LaterPlans:
    """The objects that plans of events and of lists have left in the store since a plan's inventory was taken.

    Args:
        context: the sync.
        plan: the plan that is verified.
    """

    def __init__(self, context: SyncContext, plan: Plan) -> None:
        self._context = context
        self._plan = plan
        self._left: dict[str, str | None] | None = None

    def explained(self, differences: pa.Table) -> list[str]:
        """The keys of those differences where the store has what the last of these plans left there.

        Nothing is read where nothing differs.

        Raises:
            StateError: a plan or its journal is damaged.
        """
        if not differences.num_rows:
            return []
        if self._left is None:
            self._left = self._read()
        left = self._left
        rows = differences.select(["key", "store_etag"]).to_pylist()
        return [row["key"] for row in rows if row["key"] in left and same_etag(row["store_etag"], left[row["key"]])]

    def _read(self) -> dict[str, str | None]:
        """The ETag of each object that was copied, by key; None of one that was deleted."""
        context, left = self._context, dict[str, str | None]()
        later = [one for one in context.plans.partial_ids() if is_older(self._plan.store_inventory, one)]
        for plan_id in sorted({*later} - {self._plan.id}, key=order_of):
            if not context.plans.exists(plan_id):
                continue
            plan = context.plans.load(plan_id)
            if not plan.store.is_same_place(self._plan.store) or last_undo(context, plan):
                continue
            for shard, journal in shard_journals(context.state, plan):
                for row in journal.last_rows().values():
                    if row.outcome is Outcome.DONE:
                        left[row.key] = (row.etag_after or "") if shard.action == "copy" else None
        return left

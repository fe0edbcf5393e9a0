"""Summaries of plans, made up without a plan."""

from collections.abc import Sequence

from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import PLANNED_SETS, ChangeSet
from hyve_pipeline.core.model.summary import AGE_BINS, SIZE_BINS, PlanSummary, PrefixSize, SetSummary


def made_up_summary(
    prefixes: Sequence[str], *, scale: int = 1, object_bytes: int = 1000, sets: Sequence[ChangeSet] = PLANNED_SETS
) -> PlanSummary:
    """A summary with these prefixes in each set, and about `scale` objects in each bin."""
    count = Count(objects=7 * scale, bytes=7 * scale * object_bytes)
    return PlanSummary(
        {
            name: SetSummary(
                count=count,
                prefixes=tuple(PrefixSize(prefix, count) for prefix in prefixes),
                other_prefixes=count,
                sizes=tuple(Count(objects=scale * (number % 5), bytes=scale) for number in range(len(SIZE_BINS))),
                ages=tuple(Count(objects=scale * (number % 4), bytes=scale) for number in range(len(AGE_BINS))),
                first=(),
                largest=(),
            )
            for name in sets
        }
    )

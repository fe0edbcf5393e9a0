"""The safety rules that check a whole plan before its first action.

Each refusal names the rule, the figures and what overrides it. Rules about one object (its ETag, whether
the source still lacks the key) are applied where that object is handled.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal, TypeVar

from hyve_pipeline.core.base.codes import in_words
from hyve_pipeline.core.base.durations import readable_duration
from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.base.money import in_dollars
from hyve_pipeline.core.settings.options import Options

Action = Literal["copy", "delete"]
ACTIONS: tuple[Action, ...] = ("copy", "delete")

_Amount = TypeVar("_Amount", int, Decimal)

# The rule that refuses a whole plan, even one with nothing to do.
ONE_BUCKET = "one_bucket"

# The rule that refuses the deletes of a plan of the source as it was earlier.
AS_OF = "as_of"


class Refusal(Frozen):
    """The refusal of one kind of action by one rule.

    Attributes:
        rule: the rule's name.
        action: the action that is refused.
        detail: the figures and what to do, in one line.
    """

    rule: str
    action: Action
    detail: str

    @property
    def described(self) -> str:
        """The whole refusal in one line, with the rule in words."""
        return f"refused by {in_words(self.rule)}: {self.detail}"


class SharedKeys(Frozen):
    """The evidence in two listings that source and store are one bucket under two names.

    It concerns whole keys, prefix included, that can be in both listings. Two objects are the same if ETag and
    LastModified are identical.

    Attributes:
        keys: how many such keys either side has.
        same: how many of them are on both sides with the same object.
        planned: how many of those the plan would delete.
        example: one of the same objects.
        has_one_name: the bucket's name is the same on both sides, or one of them is an alias.
        were_apart: these listings, or earlier ones, differ in a way that two listings of one bucket can't.
    """

    keys: int
    same: int
    planned: int
    example: str | None
    has_one_name: bool
    were_apart: bool

    @property
    def are_one_bucket(self) -> bool:
        """Whether a write to the store could be a write to the source."""
        return self.planned > 0 or (self.has_one_name and not self.were_apart and self.same * 2 > self.keys)


class Figures(Frozen):
    """The input of the rules.

    Attributes:
        source_objects, store_objects: sizes of the inventories; of a plan of some keys, those of the whole buckets.
        modified, duplicate: sizes of the sets, in objects.
        modified_before, duplicate_before: of a plan of some keys, those that were begun of such plans before it, back
            to the last plan of all keys: many small plans may not do what one large plan may not.
        shared: what both listings share.
        hidden: how many objects of the store are to be hidden by a delete marker, as all versions are copied.
        is_earlier: whether the source's inventory is of an earlier time than its listing.
        cost, seconds: the estimate of what the plan costs, in US dollars, and takes; None where that is not known.
    """

    source_objects: int
    store_objects: int
    modified: int
    duplicate: int
    modified_before: int = 0
    duplicate_before: int = 0
    shared: SharedKeys | None = None
    hidden: int = 0
    is_earlier: bool = False
    cost: Decimal | None = None
    seconds: int | None = None


def judge(figures: Figures, options: Options) -> tuple[Refusal, ...]:
    """Apply the rules to a whole plan. An empty result allows everything."""
    if figures.shared is not None and figures.shared.are_one_bucket:
        detail = _one_bucket(figures.shared)
        return tuple(Refusal(rule=ONE_BUCKET, action=action, detail=detail) for action in ACTIONS)
    refusals: list[Refusal] = []

    def refuse(rule: str, action: Action, detail: str) -> None:
        refusals.append(Refusal(rule=rule, action=action, detail=detail))

    def refuse_estimate(
        rule: str,
        found: _Amount | None,
        most: _Amount | None,
        readable: Callable[[_Amount], str],
        verb: str,
        value: str,
    ) -> None:
        if found is not None and most is not None and found > most:
            limit = f"{rule} is {readable(most)}; --{rule.replace('_', '-')} {value} overrides"
            for action in ACTIONS:
                refuse(rule, action, f"the plan is estimated to {verb} {readable(found)}, {limit}")

    limit = options.max_overwrites
    modified = figures.modified + figures.modified_before
    if figures.modified and limit is not None and limit.is_exceeded_by(modified, figures.store_objects):
        refuse(
            "max_overwrites",
            "copy",
            f"{modified} of the store's {figures.store_objects} objects would be overwritten"
            f"{_before(figures.modified_before)}, max_overwrites is {limit}; --max-overwrites N|P% overrides",
        )
    if options.max_deletes.is_exceeded_by(figures.hidden, figures.store_objects):
        refuse(
            "max_deletes",
            "copy",
            f"{figures.hidden} of the store's {figures.store_objects} objects would be hidden by delete markers, "
            f"max_deletes is {options.max_deletes}; --max-deletes N|P% overrides",
        )
    refuse_estimate("max_cost", figures.cost, options.max_cost, in_dollars, "cost", "DOLLARS")
    refuse_estimate("max_duration", figures.seconds, options.max_duration, readable_duration, "take", "DURATION")
    duplicate = figures.duplicate + figures.duplicate_before
    if figures.duplicate and figures.is_earlier:
        refuse(
            AS_OF,
            "delete",
            f"the source has no version of {figures.duplicate} objects of the store from that time or before: they may "
            "be newer, or what they were may have expired, so none is deleted",
        )
    elif figures.duplicate and figures.source_objects == 0:
        refuse(
            "empty_source",
            "delete",
            f"the source inventory is empty and {figures.duplicate} objects of the store would be "
            "deleted; nothing is ever deleted for an empty source, check its bucket and prefix",
        )
    elif figures.duplicate and options.max_deletes.is_exceeded_by(duplicate, figures.store_objects):
        refuse(
            "max_deletes",
            "delete",
            f"{duplicate} of the store's {figures.store_objects} objects would be deleted"
            f"{_before(figures.duplicate_before)}, max_deletes is {options.max_deletes}; --max-deletes N|P% overrides",
        )
    return tuple(refusals)


def _before(objects: int) -> str:
    return f", {objects} of them by plans of some keys since the last plan of all" if objects else ""


def _one_bucket(shared: SharedKeys) -> str:
    example = "" if shared.example is None else f", such as {displayed(shared.example)}"
    return (
        f"source and store seem to be one bucket under two names: both list the same objects, {shared.same} of "
        f"{shared.keys} with the same whole key, ETag and time{example}; nothing is ever copied or deleted then, name "
        "another bucket or another server"
    )

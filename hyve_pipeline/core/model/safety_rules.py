"""The safety rules that look at a whole plan before its first action.

Each refusal names the rule, the figures and what overrides it. Rules that look at one object (its ETag,
whether the source still lacks the key) are applied where that object is handled.
"""

from typing import Literal

from hyve_pipeline.core.base.keys import displayed
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.settings.model import Options

Action = Literal["copy", "delete"]
ACTIONS: tuple[Action, ...] = ("copy", "delete")

# The rule that refuses a whole plan, also one that has nothing to do.
ONE_BUCKET = "one_bucket"


class Refusal(Frozen):
    """One rule's verdict against one kind of action.

    Attributes:
        rule: the rule's name.
        action: what must not be done.
        detail: the figures and the way on, in one line.
    """

    rule: str
    action: Action
    detail: str


class SharedKeys(Frozen):
    """What two listings show of whether they are of one bucket that has two names.

    It is about whole keys, prefix included, that can be in both listings. Objects agree where ETag and time are the
    same to the last digit.

    Attributes:
        keys: how many such keys there are on either side.
        same: how many are on both sides, and agree.
        planned: how many of these the plan would delete.
        example: one that agrees.
        has_one_name: the bucket's name is the same on both sides, or one of them is an alias.
        were_apart: these listings, or earlier ones, differ as two listings of one bucket do not.
    """

    keys: int
    same: int
    planned: int
    example: str | None
    has_one_name: bool
    were_apart: bool

    @property
    def are_one_bucket(self) -> bool:
        """Whether to write to the store could be to write to the source."""
        return self.planned > 0 or (self.has_one_name and not self.were_apart and self.same * 2 > self.keys)


class Figures(Frozen):
    """What the rules judge: sizes of the inventories and of the sets, in objects; and what both listings have."""

    source_objects: int
    store_objects: int
    modified: int
    duplicate: int
    shared: SharedKeys | None = None


def judge(figures: Figures, options: Options) -> tuple[Refusal, ...]:
    """Judge a whole plan. An empty answer allows everything."""
    if figures.shared is not None and figures.shared.are_one_bucket:
        detail = _one_bucket(figures.shared)
        return tuple(Refusal(rule=ONE_BUCKET, action=action, detail=detail) for action in ACTIONS)
    refusals: list[Refusal] = []
    limit = options.max_overwrites
    if limit is not None and limit.is_exceeded_by(figures.modified, figures.store_objects):
        refusals.append(
            Refusal(
                rule="max_overwrites",
                action="copy",
                detail=f"{figures.modified} of the store's {figures.store_objects} objects would be overwritten, "
                f"max_overwrites is {limit}; --max-overwrites N|P% overrides",
            )
        )
    if figures.duplicate and figures.source_objects == 0:
        refusals.append(
            Refusal(
                rule="empty_source",
                action="delete",
                detail=f"the source inventory is empty and {figures.duplicate} objects of the store would be "
                "deleted; nothing is ever deleted for an empty source, check its bucket and prefix",
            )
        )
    elif options.max_deletes.is_exceeded_by(figures.duplicate, figures.store_objects):
        refusals.append(
            Refusal(
                rule="max_deletes",
                action="delete",
                detail=f"{figures.duplicate} of the store's {figures.store_objects} objects would be deleted, "
                f"max_deletes is {options.max_deletes}; --max-deletes N|P% overrides",
            )
        )
    return tuple(refusals)


def _one_bucket(shared: SharedKeys) -> str:
    example = "" if shared.example is None else f", such as {displayed(shared.example)}"
    return (
        f"source and store seem to be one bucket under two names: both list the same objects, {shared.same} of "
        f"{shared.keys} with the same whole key, ETag and time{example}; nothing is ever copied or deleted then, name "
        "another bucket or another server"
    )

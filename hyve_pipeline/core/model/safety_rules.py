"""The safety rules that look at a whole plan before its first action.

Each refusal names the rule, the figures and what overrides it. Rules that look at one object (its ETag,
whether the source still lacks the key) are applied where that object is handled.
"""

from typing import Literal

from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.settings.model import Options

Action = Literal["copy", "delete"]
ACTIONS: tuple[Action, ...] = ("copy", "delete")


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


class Figures(Frozen):
    """What the rules judge: sizes of the inventories and of the sets, in objects."""

    source_objects: int
    store_objects: int
    modified: int
    duplicate: int


def judge(figures: Figures, options: Options) -> tuple[Refusal, ...]:
    """Judge a whole plan. An empty answer allows everything."""
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

"""``hyve adopt``: remember which objects of the store are copies already."""

from pathlib import Path

import click

from hyve_pipeline.cli.options import sync_options


@click.command()
@sync_options
@click.option("--content", is_flag=True, help="Read the objects that neither ETags nor checksums can decide.")
def adopt(home: Path, sync_name: str | None, as_json: bool, content: bool) -> int:
    """Compare the content of both buckets and remember what is equal; change nothing in either bucket.

    For the first sync of a store that is full already: what is remembered is not copied again, whatever the times say.
    """
    from hyve_pipeline.cli.chosen_sync import opened
    from hyve_pipeline.cli.interrupted import adopting
    from hyve_pipeline.cli.output import print_json, say
    from hyve_pipeline.cli.typed import typed
    from hyve_pipeline.core.base.counts import counted
    from hyve_pipeline.operations.plan.adopt import adopt as adopt_pairs

    with opened(home, sync_name, "adopt") as sync, adopting():
        found = adopt_pairs(sync, reads=content)
    if as_json:
        print_json({"sync": sync.name, **found.model_dump()})
        return 0
    say(f"{counted(found.adopted)} equal in both buckets, and remembered: no plan copies what does not change")
    for number, what in (
        (found.differing, f"different: '{typed('dryrun')}' shows what a plan does with them"),
        (found.only_in_source, "only in the source"),
        (found.only_in_store, "only in the store"),
    ):
        if number:
            say(f"{counted(number)} {what}")
    if found.unknown:
        reads = f"archived, or only reading them tells: '{typed('adopt --content')}'"
        hint = "they can't be read now" if content else reads
        say(f"{counted(found.unknown)} not compared: {hint}")
    return 0

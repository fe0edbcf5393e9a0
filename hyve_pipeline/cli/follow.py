"""``hyve follow``: copy what events of the source name, as they come."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyve_pipeline.cli.options import sync_options

if TYPE_CHECKING:
    from hyve_pipeline.operations.follow.round import Round


@click.command()
@sync_options
@click.option("--once", is_flag=True, help="Do one round with the messages that are there, and end.")
def follow(home: Path, sync_name: str | None, as_json: bool, once: bool) -> int:
    """Copy what events of the source name, as they come, until Ctrl-C.

    The queue is set in [sync.NAME.events]. An event is only a hint: the objects themselves are looked at in both
    buckets, and a small plan of these keys is made and applied under the same rules as every plan. Objects are deleted
    only where apply is "all". What events have missed, the next plan of all keys has. With --json, one line is printed
    for each round.
    """
    from hyve_pipeline.cli.chosen_sync import chosen
    from hyve_pipeline.cli.failures import known_error
    from hyve_pipeline.cli.output import warn
    from hyve_pipeline.cli.signals import ending_signals_interrupt
    from hyve_pipeline.core.base.errors import InterruptedRunError
    from hyve_pipeline.core.runtime import startup
    from hyve_pipeline.operations.follow.follow import Follower, follow_once, open_queue

    sync = chosen(home, sync_name, "follow")
    queue = open_queue(sync)
    worst = 0
    follower = Follower(sync, queue)
    try:
        with queue, ending_signals_interrupt():
            startup.finish()
            if once:
                done = follow_once(sync, queue)
                _show(done, as_json=as_json)
                return done.exit_code
            for found in follower:
                if isinstance(found, str):
                    warn(found)
                else:
                    _show(found, as_json=as_json)
                    worst = max(worst, found.exit_code)
    except KeyboardInterrupt as interrupt:
        if once or follower.is_at_work:
            line = "interrupted during a round: what was done is in the journal, and its messages come again"
            raise InterruptedRunError(line) from interrupt
        return worst
    except Exception as error:
        raise known_error(error) from error
    return worst


def _show(done: "Round", *, as_json: bool) -> None:
    from hyve_pipeline.cli.output import say, warn
    from hyve_pipeline.cli.plan_text import describe_refusals
    from hyve_pipeline.cli.typed import typed
    from hyve_pipeline.core.base.counts import counted

    if as_json:
        click.echo(json.dumps(done.document))
        sys.stdout.flush()
    else:
        figures = {
            "copied": done.copied,
            "deleted": done.deleted,
            "skipped": done.skipped,
            "failed": done.failed,
            "left to delete": done.deletes_left,
        }
        parts = [f"{what} {count:,}" for what, count in figures.items() if count] or ["nothing to do"]
        plan = f"plan {done.plan}: " if done.plan is not None else ""
        say(f"{plan}{counted(done.keys, 'key')} named by {counted(done.messages, 'message')}: {', '.join(parts)}")
        sys.stdout.flush()
    for note in done.notes:
        warn(f"note: {note}")
    describe_refusals(done.refused)
    if done.verified is False:
        again = typed(f"verify --plan {done.plan}")
        warn(f"the store is not as plan {done.plan} requires: '{again}' shows where")

"""All mistakes of a configuration: of its file, and of how it goes together with the environment and the AWS files.

Sends nothing: whether buckets are there and credentials are accepted is for `hyve doctor`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.base.keys import displayed, shortened
from hyve_pipeline.core.base.suggestions import hint_for
from hyve_pipeline.core.settings.lines import Keys, key_lines
from hyve_pipeline.core.settings.load import find_mistakes, parse_toml, read_text
from hyve_pipeline.core.settings.mistakes import HOME_TABLE, Mistake
from hyve_pipeline.core.settings.model import SyncSettings
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.state.credentials import unknown_profiles
from hyve_pipeline.state.home import Home


@dataclass(frozen=True)
class FoundMistake:
    """One mistake.

    Attributes:
        text: the whole of it in one line, with the file where it is in the file.
        line: its line in the file, if it is in the file and its place is known.
        table: the path of its table; empty where it is in none, or in several.
        key: its key in that table.
    """

    text: str
    line: int | None = None
    table: Keys = ()
    key: str | None = None


def check_configuration(home: Home, sync_name: str | None = None) -> tuple[list[str], list[FoundMistake]]:
    """Read everything that a command reads before its first request.

    Args:
        home: whose file is checked, as a whole.
        sync_name: a sync that must be there, if one was named.

    Returns:
        The names of the syncs of the file that are right by themselves, and all mistakes.
    """
    path = home.settings_file
    try:
        text = read_text(path)
        document = parse_toml(text, path)
    except ConfigurationError as error:
        return [], [FoundMistake(str(error))]
    settings, mistakes = find_mistakes(document)
    if not document.get("sync"):
        mistakes.append(Mistake((), None, "has no sync yet; `hyve configure` adds one"))
    others: list[FoundMistake] = []
    try:
        mistakes += unknown_profiles(_named_profiles(document))
    except ConfigurationError as error:
        others.append(FoundMistake(str(error)))
    mistakes.sort(key=lambda mistake: mistake.position(document))
    wrong = {mistake.table[:2] for mistake in mistakes if mistake.key == "profile"}
    for sync in settings.sync.values():
        if ("sync", sync.name) not in wrong:
            mistakes += _of_environment(sync)
            others += _of_places(home, sync)
    known = document.get("sync")
    if sync_name is not None and isinstance(known, Mapping) and known and sync_name not in known:
        names = f"known: {', '.join(map(displayed, known))}{hint_for(sync_name, known)}"
        mistakes.append(Mistake((), None, f"has no sync {shortened(sync_name)} ({names})"))
    lines = key_lines(text)
    found = [_of_file(home, mistake, lines) for mistake in mistakes]
    # What is wrong with the state is wrong for each sync.
    return list(settings.sync), found + list(dict.fromkeys(others))


def _of_file(home: Home, mistake: Mistake, lines: dict[Keys, int]) -> FoundMistake:
    path = (*mistake.table, *([] if mistake.key is None else [mistake.key]))
    line = lines.get(path) or lines.get(mistake.table)
    shown = displayed(str(home.settings_file))
    place = f"{shown}: line {line}" if line else shown
    # Hyve's own text is safe for terminals.
    text = f"{place}: {str(mistake).removeprefix(': ')}"
    return FoundMistake(text, line, mistake.table, mistake.key)


def _named_profiles(document: Mapping[str, Any]) -> Iterator[tuple[Keys, str]]:
    """The tables that name a profile, also those that are wrong otherwise."""
    syncs = document.get("sync")
    sides = [(HOME_TABLE, document.get("home"))]
    for name, sync in syncs.items() if isinstance(syncs, Mapping) else ():
        if isinstance(sync, Mapping):
            sides += [(("sync", name, side), sync.get(side)) for side in ("source", "store")]
    for path, table in sides:
        profile = table.get("profile") if isinstance(table, Mapping) else None
        if isinstance(profile, str):
            yield path, profile


def _of_environment(sync: SyncSettings) -> list[Mistake]:
    """What only shows together with the environment and the AWS files."""
    # Imported late: reading the file alone needs no S3 library.
    from hyve_pipeline.s3.connection.regions import NO_REGION, find_region
    from hyve_pipeline.s3.connection.servers import locate

    found: list[Mistake] = []
    for side, place in (("source", sync.source), ("store", sync.store)):
        table = ("sync", sync.name, side)
        try:
            region, _ = find_region(locate(place))
        except ConfigurationError as error:
            found.append(Mistake(table, None, str(error)))
        else:
            if region is None:
                found.append(Mistake(table, "region", NO_REGION))
    return found


def _of_places(home: Home, sync: SyncSettings) -> list[FoundMistake]:
    """Overlaps of a sync's places, also with the state, on the servers that requests go to."""
    try:
        SyncContext(home, sync)
    except ConfigurationError as error:
        return [FoundMistake(str(error), table=("sync", sync.name))]
    return []

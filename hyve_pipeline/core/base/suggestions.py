"""The known name that a user most likely meant by an unknown one."""

from collections.abc import Iterable

from hyve_pipeline.core.base.keys import displayed

# Longer names are no typing mistakes, and comparing them takes long.
_LONGEST = 200


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is closest to `name`, whatever the case of its letters; None when none is close."""
    from difflib import get_close_matches

    if len(name) > _LONGEST:
        return None
    by_folded = {other.casefold(): other for other in known}
    found = get_close_matches(name.casefold(), list(by_folded), n=1)
    return by_folded[found[0]] if found else None


def hint_for(name: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown name: ``; did you mean X?``, or nothing when no known name is close."""
    meant = closest(name, known)
    return "" if meant is None else f"; did you mean {displayed(meant)}?"

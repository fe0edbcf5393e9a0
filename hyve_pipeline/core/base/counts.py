"""Numbers of things, written with their noun."""


def noun(count: int, singular: str = "object", plural: str | None = None) -> str:
    """The noun that goes with a number: the plural, the singular and an `s` where it is not given, for all but 1."""
    return singular if count == 1 else plural or f"{singular}s"


def counted(count: int, singular: str = "object", plural: str | None = None) -> str:
    """A number with its noun, as `1 object` or `1,200 objects`."""
    return f"{count:,} {noun(count, singular, plural)}"

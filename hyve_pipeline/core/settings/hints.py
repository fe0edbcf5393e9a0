"""What a new configuration shows as comments: settings that many want, each with an example and a few words.

``hyve configure`` writes them into `hyve.toml`, and the component's scaffold into `defs.yaml`. An example is written as
JSON writes it, which TOML and YAML read too.
"""

import json
from collections.abc import Container
from typing import NamedTuple


class Hint(NamedTuple):
    """A setting that is not set.

    Attributes:
        key: its key.
        example: a value.
        text: what it is for.
    """

    key: str
    example: object
    text: str


PLACE_HINTS = (
    Hint("prefix", "images/", "only keys below it"),
    Hint("region", "eu-central-1", "the bucket's region"),
    Hint("endpoint_url", "https://s3.example.org:9000", "an S3-compatible server; without it, AWS"),
    Hint("profile", "hyve", "an AWS profile; without one, AWS's default credentials"),
    Hint("role_arn", "arn:aws:iam::123456789012:role/hyve", "a role that is assumed"),
)
OPTION_HINTS = (
    Hint("exclude", ["tmp/*"], "these keys are neither copied nor deleted"),
    Hint("max_deletes", "10%", "a plan that deletes more of the store is refused"),
    Hint("trash", "s3://my-trash/images/", "keeps what is overwritten or deleted"),
    Hint("compare", "etag", "when an object is modified: by ETags rather than times"),
)
SYNC_HINTS = (
    Hint("schedule", "0 2 * * *", "when a dryrun is taken, by a running `hyve ui`"),
    Hint("timezone", "Europe/Berlin", "the schedule's time zone; UTC by default"),
    Hint("apply", "copies", "what is done with each new plan: never, copies or all"),
)

SOURCE_TEXT = "Where objects come from. It is never written."
STORE_TEXT = "What becomes an exact copy. Where its credentials may read the source, the server copies."

# Where the comments begin, unless the example is longer.
_COLUMN = 48


def commented(hints: tuple[Hint, ...], separator: str, known: Container[str] = ()) -> list[str]:
    """Hints as commented lines of a file.

    Args:
        hints: the hints.
        separator: what is between a key and its value in the file: ``" = "`` in TOML, ``": "`` in YAML.
        known: the keys that are set already.
    """
    lines = []
    for hint in hints:
        if hint.key not in known:
            setting = f"# {hint.key}{separator}{json.dumps(hint.example)}"
            lines.append(f"{setting:<{_COLUMN}}  # {hint.text}")
    return lines

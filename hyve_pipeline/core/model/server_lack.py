"""Optional features of S3 that a server lacks, and the consequences."""

from collections.abc import Iterable

from hyve_pipeline.core.base.manifest import Frozen


class ServerLack(Frozen):
    """An optional feature that a server does not have.

    Attributes:
        place: the bucket, as ``s3://bucket``.
        lack: what it lacks, as the predicate of a sentence about the server, such as ``does not support object tags``.
        consequence: what is done instead, or lost.
        is_minor: nothing is lost; it is shown with the plan, and is no warning.
    """

    place: str
    lack: str
    consequence: str
    is_minor: bool = False

    @property
    def described(self) -> str:
        """One sentence for messages."""
        return f"{self.place}: the server {self.lack}: {self.consequence}"


def merged(lacks: Iterable[ServerLack]) -> tuple[ServerLack, ...]:
    """The distinct ones, in their order."""
    return tuple(dict.fromkeys(lacks))

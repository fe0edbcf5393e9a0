"""What a server lacks of S3 that is not an object's content, and what follows from that."""

from collections.abc import Iterable

from hyve_pipeline.core.base.manifest import Frozen


class ServerLack(Frozen):
    """Something optional that a server does not have.

    Attributes:
        place: the bucket, as ``s3://bucket``.
        lack: what it lacks, as the predicate of a sentence about the server, such as ``knows no object tags``.
        consequence: what is done instead, or lost.
    """

    place: str
    lack: str
    consequence: str

    @property
    def described(self) -> str:
        """The whole in one sentence."""
        return f"{self.place}: the server {self.lack}: {self.consequence}"


def merged(lacks: Iterable[ServerLack]) -> tuple[ServerLack, ...]:
    """Each of them once, in the order in which they came."""
    return tuple(dict.fromkeys(lacks))

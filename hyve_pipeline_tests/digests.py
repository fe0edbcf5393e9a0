"""A store that checks the checksums of what arrives, as AWS does: in a proxy, before a server that does not."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

from hyve_pipeline.s3.wire.checksums import checksum
from hyve_pipeline_tests.faults import FaultyServer
from hyve_pipeline_tests.s3.scripted import Answer, Received, error_answer

_HEADER = "x-amz-checksum-"
_ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")


def is_content(received: Received) -> bool:
    """Whether a request reads or writes content of an object."""
    is_of_object = received.path.count("/") >= 2 and not received.path.endswith("/")
    queries = received.query.keys() - {"partNumber", "uploadId", "x-id"}
    is_copy = "x-amz-copy-source" in received.headers
    return received.method in ("GET", "PUT") and is_of_object and not queries and not is_copy


def flipped(content: bytes, position: float) -> bytes:
    """Content with one bit flipped, at a position from 0 (the first byte) to 1 (the last)."""
    changed = bytearray(content)
    changed[round(position * (len(content) - 1))] ^= 4
    return bytes(changed)


class DigestStore:
    """The fault of a `FaultyServer` that checks what is written to one bucket.

    Attributes:
        checks: whether Content-MD5 and the checksums of S3 are compared with what arrives.
        returns: whether answers have the checksums that were sent.
        flips: how many more bits are flipped of what is sent (PUT) or read (GET).
        position: where, see `flipped`.
        is_meant: which requests bits are flipped of.
        refused: the key of each write whose content was refused.
        change: changes an answer at last.
    """

    def __init__(self, server: FaultyServer, bucket: str, *, checks: bool = True) -> None:
        self.checks = checks
        self.returns = False
        self.flips = {"GET": 0, "PUT": 0}
        self.position = 0.0
        self.is_meant: Callable[[Received], bool] = lambda _: True
        self.refused: list[str] = []
        self.change: Callable[[Received, Answer], Answer] = lambda _, answer: answer
        self._server = server
        self._bucket = bucket
        server.fault = self

    def __call__(self, received: Received) -> Answer | None:
        if not is_content(received):
            return self.change(received, self._server.forward(received))
        is_flipped = self.flips[received.method] > 0 and self.is_meant(received)
        self.flips[received.method] -= is_flipped
        arrived = received
        if received.method == "PUT" and is_flipped:
            arrived = replace(received, body=flipped(received.body, self.position))
        if received.method == "PUT" and self.checks and received.path.startswith(f"/{self._bucket}/"):
            problem = _problem(arrived)
            if problem is not None:
                self.refused.append(unquote(received.path.split("/", 2)[2]))
                return error_answer(400, "BadDigest", problem)
        answer = self._server.forward(arrived)
        if received.method == "GET" and is_flipped and answer.body:
            answer = replace(answer, body=flipped(answer.body, self.position))
        if received.method == "PUT" and self.returns:
            sent = {name: value for name, value in received.headers.items() if name.startswith(_HEADER)}
            answer = replace(answer, headers=answer.headers | sent)
        return self.change(received, answer)


def _problem(received: Received) -> str | None:
    """What of a write is not what its headers say."""
    md5 = received.headers.get("content-md5")
    if md5 is not None and base64.b64encode(hashlib.md5(received.body).digest()).decode() != md5:
        return "The Content-MD5 you specified did not match what we received."
    for name in _ALGORITHMS:
        said = received.headers.get(_HEADER + name.lower())
        if said is not None and checksum(name, received.body) != said:
            return f"The {name} you specified did not match the calculated checksum."
    return None

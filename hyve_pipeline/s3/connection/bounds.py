"""How much memory and time an answer may take, whatever a server sends."""

from dataclasses import dataclass

from hyve_pipeline.s3.wire.messages import Request


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of answers.

    Attributes:
        body: bytes of an answer's body. More than any answer that is asked for: a server that takes a request for
            tags as one for the object must not fill the memory. A listing's 1,000 keys of 1,024 bytes,
            percent-encoded, come to 3 MiB.
        headers: how many headers an answer may have; an object's own metadata are at most 2 KB.
        growth: bytes by which the process may grow while the fast transport waits for an answer, beyond what is
            known to be on its way.
        seconds: how long the fast transport waits for an answer, and how long a body may take on the other one, beside
            what its size takes.
        silence: seconds that the other transport waits for an answer to begin.
        long_silence: the same, where a server may copy up to 5 GiB or join 10,000 parts before it answers.
        read_rate: bytes a second at which the fast transport expects an answer. What is slower is asked for by the
            other one, which goes on as long as `slowest_rate` allows.
        send_rate: bytes a second at which the fast transport expects a request's body to leave.
        slowest_rate: bytes a second below which an exchange is given up.
    """

    body: int = 16 * 1024**2
    headers: int = 1_000
    growth: int = 128 * 1024**2
    seconds: float = 60.0
    silence: float = 120.0
    long_silence: float = 900.0
    read_rate: int = 64 * 1024
    send_rate: int = 4 * 1024
    slowest_rate: int = 1024

    def fast_seconds(self, request: Request) -> float:
        """How long the fast transport waits for the end of an answer."""
        if not request.body and not request.expected:
            return self.seconds
        return self.seconds + len(request.body) / self.send_rate + request.expected / self.read_rate

    def patient_seconds(self, request: Request, *, is_long: bool) -> float:
        """How long the other transport waits for an answer's headers."""
        return (self.long_silence if is_long else self.silence) + len(request.body) / self.slowest_rate

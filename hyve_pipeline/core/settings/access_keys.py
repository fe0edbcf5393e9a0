"""AWS keys that are held in memory for a while: a Dagster resource has them, and a connection signs with them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AccessKeys:
    """A pair of keys, or a triple of temporary ones. None of them is ever shown.

    Attributes:
        access_key_id: who signs.
        secret_access_key: what is signed with.
        session_token: what goes with temporary keys; None for others.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

"""AWS keys in memory: a Dagster resource provides them, and a connection signs with them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AccessKeys:
    """An access key, permanent or temporary. None of its values is ever shown.

    Attributes:
        access_key_id: the public half.
        secret_access_key: the secret half.
        session_token: the token of temporary keys; None for permanent ones.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)

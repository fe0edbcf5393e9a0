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

    @property
    def missing(self) -> str | None:
        """Which of both halves is empty, as after ``aws configure`` with empty answers; None if none is."""
        halves = {"access key id": self.access_key_id, "secret access key": self.secret_access_key}
        return next((name for name, value in halves.items() if not value), None)

    @property
    def unsendable(self) -> str | None:
        """What of them has a control character, such as the line break at the end of a file; None if nothing has.

        No server has given such keys, and no header can carry them.
        """
        values = {
            "access key id": self.access_key_id,
            "secret access key": self.secret_access_key,
            "session token": self.session_token or "",
        }
        return next((name for name, value in values.items() if not value.isprintable()), None)

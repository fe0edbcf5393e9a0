"""A botocore session that is made at once."""

import threading
from typing import Any

import botocore.session

from hyve_pipeline.s3.connection.credential_process import PROCESS_SECONDS, bound_processes


class AwsSession(botocore.session.Session):
    """Registers botocore's own event handlers with its first client.

    To register them takes 20 ms of CPU, fifty times what the rest takes. Only clients raise events: credentials,
    regions and other settings do without, unless getting them takes a client, which comes by `create_client` too.

    Args:
        profile: the AWS profile; None for the default chain.
        process_seconds: how long a profile's credential_process may take.
    """

    def __init__(self, profile: str | None = None, process_seconds: float = PROCESS_SECONDS) -> None:
        self._process_seconds = process_seconds
        # It is private, so it may go; then everything is registered at once, as usual.
        self._is_late = hasattr(botocore.session.Session, "_register_builtin_handlers")
        self._registering = threading.Lock()
        super().__init__(profile=profile, include_builtin_handlers=not self._is_late)

    def get_credentials(self) -> Any:
        """The session's credentials, see `botocore.session.Session.get_credentials`."""
        if self._credentials is None:
            bound_processes(self, self.get_component("credential_provider"), self._process_seconds)
        return super().get_credentials()

    def create_client(self, *arguments: Any, **options: Any) -> Any:
        """Make a client, see `botocore.session.Session.create_client`."""
        with self._registering:
            if self._is_late:
                self._register_builtin_handlers(self._events)
                self._is_late = False
        return super().create_client(*arguments, **options)

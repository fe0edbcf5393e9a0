"""A botocore session that is made at once, and may act as a role."""

import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.loaders import create_loader

from hyve_pipeline.s3.connection.credential_process import PROCESS_SECONDS, bound_processes
from hyve_pipeline.s3.connection.transport import CONNECT_SECONDS, USER_AGENT

# What CloudTrail shows as the name of the role's session.
_ROLE_SESSION_NAME = "hyve"

# By the folders that it looks into. What it has loaded it keeps: to load what the first client of a session is made
# from takes 50 ms of CPU, and a command has several sessions.
_loader_of = cache(create_loader)


@dataclass(frozen=True)
class Role:
    """A role to assume.

    Attributes:
        arn: its ARN.
        external_id: what its trust policy may require besides; None if it does not.
        region: the region whose STS is asked.
    """

    arn: str
    external_id: str | None
    region: str


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
        self._role: Role | None = None
        self._of_role: DeferredRefreshableCredentials | None = None
        super().__init__(profile=profile, include_builtin_handlers=not self._is_late)

    def assume(self, role: Role) -> None:
        """Let the session's credentials be those of a role, which the others assume and renew when that is due."""
        self._role = role

    def get_credentials(self) -> Any:
        """The session's credentials, see `botocore.session.Session.get_credentials`."""
        if self._of_role is not None:
            return self._of_role
        if self._credentials is None:
            bound_processes(self, self.get_component("credential_provider"), self._process_seconds)
        own = super().get_credentials()
        if self._role is None or own is None:
            return own
        self._of_role = self._assumed(self._role, own)
        return self._of_role

    def _assumed(self, role: Role, own: Any) -> DeferredRefreshableCredentials:
        """Botocore's own credentials of a role; STS is asked when they are needed."""
        more = {"RoleSessionName": _ROLE_SESSION_NAME}
        if role.external_id is not None:
            more["ExternalId"] = role.external_id
        config = Config(connect_timeout=CONNECT_SECONDS, retries={"mode": "standard"}, user_agent_extra=USER_AGENT)

        def client(service: str, **keys: Any) -> Any:
            return self.create_client(service, region_name=role.region, config=config, **keys)

        fetcher = AssumeRoleCredentialFetcher(client, own, role.arn, extra_args=more)
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, method="assume-role")

    def create_client(self, *arguments: Any, **options: Any) -> Any:
        """Make a client, see `botocore.session.Session.create_client`."""
        with self._registering:
            if self._is_late:
                self._register_builtin_handlers(self._events)
                self.register_component("data_loader", _loader_of(self.get_config_variable("data_path")))
                self._is_late = False
        return super().create_client(*arguments, **options)

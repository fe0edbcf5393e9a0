"""The AWS session behind a connection: credentials, region, and where the requests to a bucket go."""

import os
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.core.settings.access_keys import AccessKeys
from hyve_pipeline.core.settings.place_fields import is_host_label
from hyve_pipeline.core.settings.places import AWS, SETTINGS_ORIGIN, BucketSettings, Place
from hyve_pipeline.s3.connection.environment_keys import environment_keys
from hyve_pipeline.s3.connection.regions import CUSTOM_REGION, NO_REGION, OTHER_REGION_VARIABLE, find_region
from hyve_pipeline.s3.connection.retry_policy import RetryPolicy
from hyve_pipeline.s3.connection.servers import locate, problem_of
from hyve_pipeline.s3.connection.transport import CONNECT_SECONDS, USER_AGENT, Endpoint, RenewalError
from hyve_pipeline.s3.wire.messages import Pairs

if TYPE_CHECKING:
    from botocore.credentials import Credentials

    from hyve_pipeline.s3.connection.aws_session import AwsSession

_DEFAULT_PORTS = {"http": 80, "https": 443}

# Connections of the botocore client, which does only what is rare.
_CLIENT_CONNECTIONS = 16

# By this the requester agrees to pay for a request; without it S3 refuses those to a bucket whose owner does not pay.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html
_PAYER_HEADERS: Pairs = (("x-amz-request-payer", "requester"),)


class Session:
    """The AWS session behind a connection, with every failure of it as one line.

    All of botocore is imported late. Where the settings and the environment say all that is needed, it is not, which
    spares a command an eighth of its start.

    Attributes:
        place: the bucket, and the server that it is on.
    """

    def __init__(self, place: BucketSettings, keys: AccessKeys | None, *, process_seconds: float | None = None) -> None:
        """Find the credentials.

        Args:
            place: the bucket, how to reach it, and the AWS profile.
            keys: the keys to sign with, or to assume the role with, instead of what the profile or AWS's default chain
                has.
            process_seconds: how long the profile's credential_process may take; None for the usual.

        Raises:
            ConfigurationError: the profile or the credentials are missing or unusable.
        """
        self._lock = threading.Lock()
        self._process_seconds = process_seconds
        self.place: Place = locate(place)
        self._own_keys = keys or environment_keys(place)
        is_fixed = place.anonymous or (self._own_keys is not None and place.role_arn is None)
        self._credentials = None if is_fixed else self._find_credentials()
        if self._own_keys is not None:
            self._check(self._own_keys)

    def _find_credentials(self) -> "Credentials":
        """The credentials that the profile, or AWS's default chain, has, or those of the role that they assume.

        Raises:
            ConfigurationError: there are none, or they can't be used.
        """
        from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound

        from hyve_pipeline.s3.connection.credential_problems import (
            MALFORMED,
            cause_of,
            is_of_role,
            missing_terminal,
            unreadable_file,
        )

        try:
            asking = missing_terminal(self._botocore)
            if asking is not None:
                raise self._problem(f"the role of profile {asking!r} asks for an MFA code, and there is no terminal")
            credentials = self._botocore.get_credentials()
            if credentials is not None:
                self._check(_frozen(credentials))
                return credentials
        except ProfileNotFound as error:
            raise self._problem(f"{error}: run `hyve configure`, or name another profile") from error
        except (BotoCoreError, ClientError, RenewalError, *MALFORMED) as error:  # the second from STS, for a role
            if self.place.role_arn is not None and is_of_role(error):
                raise self._problem(self._role_problem(cause_of(error))) from error
            raise self._problem(f"the AWS credentials of {self._who} cannot be used: {cause_of(error)}") from error
        unreadable = unreadable_file(self._botocore)
        if unreadable is not None:
            raise self._problem(f"there are no AWS credentials for {self._who}: {unreadable}")
        way = "run `hyve configure`, or set a profile" if self.place.resource is None else "give it keys or a profile"
        raise self._problem(
            f"there are no AWS credentials for {self._who}: {way}, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )

    def _check(self, keys: AccessKeys) -> None:
        if keys.missing is not None:
            raise self._problem(f"the {keys.missing} of {self._who} is empty: set it, or name another profile")
        if keys.unsendable is not None:
            raise self._problem(
                f"the {keys.unsendable} of {self._who} has a line break or another control character: correct it"
            )

    @cached_property
    def _botocore(self) -> "AwsSession":
        from hyve_pipeline.s3.connection.aws_session import AwsSession, Role
        from hyve_pipeline.s3.connection.credential_process import PROCESS_SECONDS

        session = AwsSession(self.place.profile, self._process_seconds or PROCESS_SECONDS)
        keys = self._own_keys
        if keys is not None:
            session.set_credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
        if self.place.role_arn is not None:
            session.assume(Role(self.place.role_arn, self.place.external_id, self._role_region(session)))
        return session

    def _role_region(self, session: "AwsSession") -> str:
        """The region whose STS is asked: that of the bucket, where AWS is, as its partition has the role."""
        of_bucket = self.place.region if self.place.server == AWS else None
        return (
            of_bucket or session.get_config_variable("region") or os.environ.get(OTHER_REGION_VARIABLE) or CUSTOM_REGION
        )

    @property
    def _who(self) -> str:
        place = self.place
        return place.caller if place.resource is not None or place.profile is not None else "this user"

    def _role_problem(self, cause: str) -> str:
        return (
            f"{self.place.signer} cannot be assumed with {self.place.caller}: allow these sts:AssumeRole on it, also "
            f"in the role's trust policy (`hyve iam-policy` prints both), or correct role_arn or external_id ({cause})"
        )

    def _problem(self, text: str) -> ConfigurationError:
        return problem_of(self.place, text)

    def keys(self) -> AccessKeys | None:
        """The keys to sign with now; temporary ones are renewed before they expire. None signs nothing.

        Raises:
            RenewalError: they can't be renewed.
        """
        if self.place.anonymous:
            return None
        return self._own_keys if self._credentials is None else _frozen(self._credentials)

    @property
    def are_keys_fixed(self) -> bool:
        """Whether they are never renewed: the classes of those that are derive from the one of those that are not."""
        if self._credentials is None:
            return True
        from botocore.credentials import Credentials

        return type(self._credentials) is Credentials

    @cached_property
    def region(self) -> str:
        """The region to sign for.

        Raises:
            ConfigurationError: none is set anywhere, and the server is AWS.
        """
        region, _ = find_region(self.place, None if self.place.region else self._botocore)
        if region is None:
            raise self._problem(NO_REGION)
        return region

    @property
    def verify(self) -> bool | str:
        """The trusted certificates, as botocore takes them: a file or folder, or True for its own.

        Raises:
            ConfigurationError: there is no such file or folder.
        """
        bundle = self._botocore.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        if bundle and not Path(bundle).exists():
            raise self._problem(
                f"{bundle}: no such file or folder of certificates to trust: correct AWS_CA_BUNDLE, ca_bundle in the "
                "AWS profile, or REQUESTS_CA_BUNDLE"
            )
        return bundle or True

    @property
    def payer_headers(self) -> Pairs:
        """What every request to the bucket carries, and every one that reads from it; empty where its owner pays."""
        return _PAYER_HEADERS if self.place.requester_pays else ()

    @property
    def client(self) -> Any:
        """A botocore client with the same credentials and endpoint.

        Raises:
            ConfigurationError: the AWS settings cannot be used.
        """
        with self._lock:
            return self._client

    @cached_property
    def _client(self) -> Any:
        # Imported late: listing, copying and deleting on a named endpoint never need it.
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        place = self.place
        is_named = place.endpoint_url is not None
        try:
            client = self._botocore.create_client(
                "s3",
                region_name=self.region,
                endpoint_url=place.endpoint_url,
                config=Config(
                    signature_version=UNSIGNED if place.anonymous else None,
                    s3={
                        "addressing_style": "virtual" if self._is_virtual else "path",
                        "use_accelerate_endpoint": place.accelerate,
                    },
                    # Where requests go was found out once, and holds for all of them.
                    ignore_configured_endpoint_urls=True,
                    # Both are AWS's alone. Not False there, so that the profile and the environment may ask for them.
                    use_dualstack_endpoint=place.dual_stack or _unless(is_named),
                    use_fips_endpoint=_unless(is_named),
                    connect_timeout=CONNECT_SECONDS,
                    max_pool_connections=_CLIENT_CONNECTIONS,
                    # Many servers know none of the newer checksums that botocore adds to everything else.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    retries={"total_max_attempts": RetryPolicy().most_sends, "mode": "standard"},
                    user_agent_extra=USER_AGENT,
                ),
            )
        except (BotoCoreError, ValueError) as error:
            raise self._problem(f"the AWS settings cannot be used: {error}") from error
        if self.payer_headers:
            client.meta.events.register("before-call.s3", self._add_payer)
        return client

    def service_client(self, service: str, region: str, endpoint_url: str | None) -> Any:
        """A botocore client of another service of AWS, with the same credentials; the caller closes it.

        Args:
            service: its name in botocore, such as ``s3control``.
            region: the region.
            endpoint_url: its server; None for AWS's own.

        Raises:
            ConfigurationError: the AWS settings cannot be used.
        """
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            retries={"total_max_attempts": RetryPolicy().most_sends, "mode": "standard"},
            user_agent_extra=USER_AGENT,
        )
        try:
            return self._botocore.create_client(service, region_name=region, endpoint_url=endpoint_url, config=config)
        except (BotoCoreError, ValueError) as error:
            raise self._problem(f"the AWS settings cannot be used: {error}") from error

    def _add_payer(self, params: dict[str, Any], **_: Any) -> None:
        params["headers"].update(self.payer_headers)

    @property
    def _is_virtual(self) -> bool:
        """Whether the bucket is part of the host name."""
        place = self.place
        if place.accelerate or place.addressing_style == "virtual":
            return True
        if place.addressing_style == "path":
            return False
        return place.server == AWS and place.endpoint_origin != SETTINGS_ORIGIN and is_host_label(place.bucket)

    def endpoint(self) -> Endpoint:
        """Where requests go.

        Raises:
            ConfigurationError: the region is missing, or the settings do not go together.
        """
        place = self.place
        if place.addressing_problem is not None:
            raise self._problem(f"addressing_style: {place.addressing_problem}")
        if place.accelerate:
            parts = self._accelerated()
            return Endpoint(parts.scheme, parts.netloc, "", self.region, place.bucket)
        # Where AWS is, botocore says: it knows partitions, FIPS and dual-stack.
        parts = urlsplit(place.endpoint_url or self.client.meta.endpoint_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = parts.port
        authority = host if port in (None, _DEFAULT_PORTS[parts.scheme]) else f"{host}:{port}"
        if self._is_virtual:
            return Endpoint(parts.scheme, f"{place.bucket}.{authority}", "", self.region, place.bucket)
        return Endpoint(parts.scheme, authority, f"/{place.bucket}", self.region, place.bucket)

    def _accelerated(self) -> SplitResult:
        """The start of the URLs of accelerated requests: a client has it only with a request."""
        from botocore.exceptions import BotoCoreError

        try:
            return urlsplit(self.client.generate_presigned_url("list_objects_v2", Params={"Bucket": self.place.bucket}))
        except BotoCoreError as error:
            raise self._problem(f"accelerate cannot be used with these AWS settings: {error}") from error

    def close(self) -> None:
        """Free the client's connections. Calling it again does nothing."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()


def _frozen(credentials: "Credentials") -> AccessKeys:
    """What credentials are now.

    Raises:
        RenewalError: they can't be renewed.
    """
    from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError

    from hyve_pipeline.s3.connection.credential_problems import MALFORMED, cause_of

    try:
        frozen = credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError) as error:  # the second from STS, for a role
        raise RenewalError(str(error)) from error
    except MALFORMED as error:
        method = getattr(credentials, "method", "profile")
        raise RenewalError(str(CredentialRetrievalError(provider=method, error_msg=cause_of(error)))) from error
    return AccessKeys(frozen.access_key, frozen.secret_key, frozen.token)


def _unless(is_named: bool) -> bool | None:
    """What to ask botocore for of what only AWS has: nothing, or not to do it where a server is named."""
    return False if is_named else None

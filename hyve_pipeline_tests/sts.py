"""An STS for tests, which lets a role be assumed or refuses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from hyve_pipeline_tests.s3.scripted import Answer, Received, scripted_server

ROLE = "arn:aws:iam::123456789012:role/hyve"


class Sts:
    """An STS whose temporary keys are numbered and hold for as long as the test wants."""

    def __init__(self) -> None:
        self.minutes = 60
        self.refusal: str | None = None
        self.asked: list[dict[str, str]] = []
        self.callers: list[str] = []

    def __call__(self, received: Received) -> Answer:
        asked = {name: values[0] for name, values in parse_qs(received.body.decode()).items()}
        self.asked.append(asked)
        self.callers.append(received.headers["authorization"].partition("Credential=")[2].partition("/")[0])
        if self.refusal is not None:
            error = f"<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{self.refusal}</Message></Error>"
            body = f"<ErrorResponse>{error}<RequestId>R1</RequestId></ErrorResponse>"
            return Answer(body.encode(), 403, {"Content-Type": "text/xml"})
        number = len(self.asked)
        until = datetime.now(UTC) + timedelta(minutes=self.minutes)
        keys = (
            f"<AccessKeyId>ASIAROLE{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
            f"<SessionToken>token{number}</SessionToken><Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration>"
        )
        result = f"<AssumeRoleResult><Credentials>{keys}</Credentials></AssumeRoleResult>"
        space = "https://sts.amazonaws.com/doc/2011-06-15/"
        body = f'<AssumeRoleResponse xmlns="{space}">{result}</AssumeRoleResponse>'
        return Answer(body.encode(), 200, {"Content-Type": "text/xml"})


@contextmanager
def sts_server() -> Iterator[Sts]:
    """Run an STS, and let the AWS settings of this process and its children name it."""
    script = Sts()
    with scripted_server(script) as server, pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_STS", server.endpoint_url)
        yield script

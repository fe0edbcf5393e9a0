"""The program that an AWS profile names as its ``credential_process``, bounded in time.

botocore waits as long as it runs. One that waits for an answer that nobody gives would hold up a command for ever.
"""

import subprocess
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any

from botocore.credentials import CredentialResolver, ProcessProvider
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session

# How long it may take: as long as the AWS SDK for Go lets it. A person may have to confirm on a phone.
PROCESS_SECONDS = 60.0

# When each program that did not end may be started again. Otherwise each request would wait for it anew.
_not_before: dict[str, float] = {}


class BoundedProcess(subprocess.Popen[bytes]):
    """A process that is killed when it does not end in time.

    Args:
        command: the program and its arguments.
        seconds: how long it may take.
        options: as for `subprocess.Popen`.

    Raises:
        CredentialRetrievalError: it did not end in time, now or a moment ago.
    """

    def __init__(self, command: Sequence[str], *, seconds: float, **options: Any) -> None:
        self._program = command[0]
        self._seconds = seconds
        if monotonic() < _not_before.get(self._program, 0.0):
            raise self._error()
        super().__init__(command, **options)

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002
        """Wait until it has ended, see `subprocess.Popen.communicate`; one that failed in silence says how at least."""
        try:
            output, message = super().communicate(input, self._seconds if timeout is None else timeout)
            if self.returncode and not message.strip():
                message = f"credential_process {self._program} failed without a message, {self._ending}".encode()
            return output, message
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
            # What it started may go on and keep the pipes open: they are not read to their end.
            for pipe in (self.stdout, self.stderr):
                if pipe is not None:
                    pipe.close()
            _not_before[self._program] = monotonic() + self._seconds
            raise self._error() from None

    @property
    def _ending(self) -> str:
        return f"exit code {self.returncode}" if self.returncode > 0 else f"killed by signal {-self.returncode}"

    def _error(self) -> CredentialRetrievalError:
        # Without the arguments: there may be a password among them.
        problem = f"credential_process {self._program} did not end within {self._seconds:g} seconds"
        return CredentialRetrievalError(provider=ProcessProvider.METHOD, error_msg=problem)


def bound_processes(session: Session, resolver: CredentialResolver, seconds: float) -> None:
    """Let the providers of a session start their programs as bounded ones.

    Args:
        session: the session.
        resolver: its chain of providers.
        seconds: how long a program may take.
    """

    def bounded(profile_name: str) -> ProcessProvider:
        popen: Any = partial(BoundedProcess, seconds=seconds)
        return ProcessProvider(profile_name, load_config=lambda: session.full_config, popen=popen)

    for place, provider in enumerate(resolver.providers):
        if isinstance(provider, ProcessProvider):
            resolver.providers[place] = bounded(session.get_config_variable("profile") or "default")
        # It makes the providers of a role's source profile, and takes no other way to start a program.
        builder = getattr(provider, "_profile_provider_builder", None)
        if builder is not None:
            builder._create_process_provider = bounded

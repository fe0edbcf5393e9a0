"""Starts the server in a process of its own, prepares its buckets, and asks what was done to them."""

import http.client
import json
import subprocess
import sys
from types import TracebackType
from typing import Any

# The one path of the server that is not S3's.
CONTROL = "/-/benchmark"

_HOST = "127.0.0.1"
_PATIENCE_SECONDS = 600


class ServerProcess:
    """The benchmarks' server, on a free port. Use it as a context manager.

    Attributes:
        endpoint_url: where it listens.
    """

    def __init__(self) -> None:
        """Start the server and wait until it listens.

        Raises:
            RuntimeError: it did not start.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._process.stdout.readline().strip()
        if not line.isdigit():
            self.stop()
            raise RuntimeError(f"the server did not start: {line or 'no output'}")
        self._port = int(line)
        self.endpoint_url = f"http://{_HOST}:{line}"

    def control(self, **wish: Any) -> dict[str, Any]:
        """Prepare the server and read its counters, which starts them anew, see `server.Store.control`."""
        connection = http.client.HTTPConnection(_HOST, self._port, timeout=_PATIENCE_SECONDS)
        try:
            connection.request("POST", CONTROL, json.dumps(wish))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def stop(self) -> None:
        """End the process and wait for it."""
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

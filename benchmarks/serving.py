"""Starts the server in a process of its own, prepares its buckets, and reads its counters."""

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hyve_pipeline.demo.server import EmbeddedServer

# The one path of the server that is not S3's.
CONTROL = "/-/benchmark"

_TIMEOUT_SECONDS = 600


class ServerProcess(EmbeddedServer):
    """The benchmarks' server, on a free port. Use it as a context manager."""

    MODULE = "benchmarks.server"

    def tls(self, authority: Path) -> str:
        """Where it listens for TLS; the certificate to trust is written into a file."""
        port, certificate = self.control(tls=True)["tls"]
        authority.write_text(certificate)
        return f"https://127.0.0.1:{port}"

    def control(self, **wish: Any) -> dict[str, Any]:
        """Prepare the server, and read and reset its counters, see `server.Store.control`."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint_url).netloc, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("POST", CONTROL, json.dumps(wish))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

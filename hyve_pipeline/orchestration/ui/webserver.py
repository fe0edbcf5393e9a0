"""Dagster's web server behind the gate, in a process of its own.

python -m hyve_pipeline.orchestration.ui.webserver --home HOME --workspace FILE --code-server SOCKET --listening FD
"""

import argparse
import socket
from contextlib import suppress
from pathlib import Path

from hyve_pipeline.orchestration.ui.access_token import access_token
from hyve_pipeline.orchestration.ui.child import begin_server
from hyve_pipeline.orchestration.ui.code_server import await_code_server
from hyve_pipeline.orchestration.ui.gate import Gate

# Open pages keep their WebSocket until the server ends.
_CLOSING_SECONDS = 2


def main() -> None:
    """Serve until standard input ends."""
    begin_server()
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--code-server", type=Path, required=True)
    parser.add_argument("--listening", type=int, required=True, help="the number of the socket")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        _serve(arguments.home, arguments.workspace, arguments.code_server, socket.socket(fileno=arguments.listening))


def _serve(home: Path, workspace: Path, code_server: Path, listening: socket.socket) -> None:
    # Slow imports, while the code server starts.
    import uvicorn

    from hyve_pipeline.orchestration.common.dagster_private import web_application

    await_code_server(code_server)
    with web_application(workspace) as application:
        gate = Gate(application, access_token(home), listening.getsockname()[1])
        config = uvicorn.Config(
            gate,
            lifespan="off",
            log_level="warning",
            # A URL may have the token.
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()

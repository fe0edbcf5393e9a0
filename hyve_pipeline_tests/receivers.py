"""A receiver of alerts over HTTP."""

import json
from typing import Any

from hyve_pipeline_tests.s3.scripted import Answer, Received, ScriptedServer


class Webhook:
    """A receiver of alerts; it answers with `status`."""

    def __init__(self) -> None:
        self.status = 204
        self._server = ScriptedServer(lambda _: Answer(status=self.status, headers={"Location": "/elsewhere"}))
        self.url = f"{self._server.endpoint_url}/hook"

    @property
    def received(self) -> list[Received]:
        return self._server.received

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(received.body) for received in self.received]

    def stop(self) -> None:
        self._server.stop()

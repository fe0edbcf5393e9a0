"""The web UI of one home as the tests ask it: over HTTP, as a browser would."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyve_pipeline.orchestration.ui.access_token import bearer
from hyve_pipeline_tests.processes import descendants, living, living_after, start_hyve
from hyve_pipeline_tests.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

_LINE_START = "Dagster UI: "
_REPOSITORY = {"repositoryLocationName": "hyve_pipeline", "repositoryName": "__repository__"}
_PATIENCE = 120


def variables_of(home: Path) -> dict[str, str]:
    """An environment that leads to this home alone, with keys of the test servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DAGSTER_", "HYVE_"))}
    return kept | {
        "HYVE_HOME": str(home),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def write_home(home: Path, endpoint_url: str) -> dict[str, str]:
    """A configured home, and an environment that leads to it."""
    home.mkdir()
    (home / "hyve.toml").write_text(
        f"""
        [sync.images.source]
        bucket = "rootwork"
        region = "{REGION}"
        endpoint_url = "{endpoint_url}"
        [sync.images.store]
        bucket = "store"
        region = "{REGION}"
        endpoint_url = "{endpoint_url}"
        """
    )
    return variables_of(home)


@dataclass(frozen=True)
class Page:
    """A UI that answers."""

    process: subprocess.Popen[str]
    line: str
    home: Path
    variables: Mapping[str, str]

    @property
    def opening_url(self) -> str:
        """What it printed; it has the token."""
        return self.line.removeprefix(_LINE_START).split()[0]

    @property
    def url(self) -> str:
        return self.opening_url.partition("/?")[0]

    @property
    def token(self) -> str:
        return self.opening_url.partition("?token=")[2]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json", **bearer(self.token)},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            document = json.load(answer)
        assert "errors" not in document, document
        return document["data"]

    def launch(self, job: str, **execution: Any) -> str:
        """Launch a run, and give its id."""
        data = self.ask(
            "mutation($execution: ExecutionParams!) { launchRun(executionParams: $execution) { __typename "
            "... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
            execution={
                "selector": {**_REPOSITORY, "jobName": job},
                "runConfigData": {},
                "mode": "default",
                **execution,
            },
        )
        return data["launchRun"]["run"]["runId"]

    def reexecute(self, run_id: str, strategy: str) -> str:
        """Launch a run once more, as the button on its page does, and give the id of the new one."""
        data = self.ask(
            "mutation($again: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $again) { __typename "
            "... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
            again={"parentRunId": run_id, "strategy": strategy},
        )
        return data["launchRunReexecution"]["run"]["runId"]

    def terminate(self, run_id: str) -> None:
        """End a run, as the button on its page does."""
        data = self.ask(
            "mutation($id: String!) { terminateRun(runId: $id) { __typename } }",
            id=run_id,
        )
        assert data["terminateRun"]["__typename"] == "TerminateRunSuccess", data

    def await_end(self, run_id: str) -> str:
        """Wait for a run, and give its last status."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            run = self.ask("query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)
            status = run["runOrError"]["status"]
            if status in ("SUCCESS", "FAILURE", "CANCELED"):
                return status
            assert time.monotonic() < deadline, f"the run is still {status}"
            time.sleep(0.5)

    def failures(self, run_id: str) -> list[str]:
        """Why the steps of a run failed."""
        data = self.ask(
            "query($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events { "
            "... on ExecutionStepFailureEvent { failureMetadata { description } } } } } } }",
            id=run_id,
        )
        events = data["runOrError"]["eventConnection"]["events"]
        return [event["failureMetadata"]["description"] for event in events if event.get("failureMetadata")]


@contextmanager
def running_ui(home: Path, variables: Mapping[str, str], browser: str = "--no-browser", **more: Any) -> Iterator[Page]:
    """Run the UI as a script's background process, where SIGINT is ignored at first; Ctrl-C is its normal end."""
    process = start_hyve("ui", "--port", "0", browser, variables=variables, preexec_fn=_ignore_interrupts, **more)
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith(_LINE_START), process.stderr.read()
        yield Page(process, line, home, variables)
        if process.poll() is None:
            _end(process, home)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end(process: "subprocess.Popen[str]", home: Path) -> None:
    children = descendants(process.pid)
    assert len(living(children)) >= 3, "web server, daemon and code server"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, ""), errors
    assert "Traceback" not in errors
    assert not living_after(children, 10)
    assert not (home / "ui.html").exists()

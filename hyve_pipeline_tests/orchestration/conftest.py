"""The command line and syncs, as the tests of the commands have them, and a daemon that ticks when it is told to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from hyve_pipeline.operations.context import Home, SyncContext
from hyve_pipeline.orchestration.commands.instance import open_instance
from hyve_pipeline.orchestration.definitions.build import build_sync
from hyve_pipeline_tests.cli.conftest import (
    empty_dagster_home,
    faulty,
    hasty_storage,
    hyve,
    make_pair,
    own_environment,
    pair,
)
from hyve_pipeline_tests.syncs import NAME, Pair

__all__ = ["empty_dagster_home", "faulty", "hasty_storage", "hyve", "make_pair", "own_environment", "pair"]


@dataclass
class Daemon:
    """Evaluates sensors as Dagster's daemon does, and makes the runs that they ask for, at once and one by one."""

    instance: dg.DagsterInstance
    home: Home
    made: list[str] = field(default_factory=list)
    cursors: dict[str, str | None] = field(default_factory=dict)

    @property
    def definitions(self) -> dg.Definitions:
        return build_sync(self.home, self.sync.settings)

    @property
    def sync(self) -> SyncContext:
        return SyncContext.choose(self.home, NAME)

    def look(self, sensor: str) -> tuple[list[dg.RunRequest], str]:
        """Evaluate a sensor: what it asks for, and why it asks for nothing."""
        definition = self.definitions.resolve_sensor_def(f"{NAME}_{sensor}_sensor")
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(sensor), definitions=self.definitions
        )
        result = definition(context)
        self.cursors[sensor] = context.cursor
        if isinstance(result, dg.SkipReason):
            return [], result.skip_message or ""
        if isinstance(result, dg.SensorResult):
            return list(result.run_requests or []), ""
        assert isinstance(result, dg.RunRequest)
        return [result], ""

    def tick(self, sensor: str = "apply") -> tuple[list[str], str]:
        """Evaluate a sensor and make the runs: the run keys, and the sensor's word."""
        requests, reason = self.look(sensor)
        for request in requests:
            assert request.run_key is not None
            # Dagster makes no second run for a key.
            if request.run_key not in self.made:
                self.made.append(request.run_key)
                self.run(
                    request.job_name or f"{NAME}_{sensor}", request.partition_key, request.tags, request.run_config
                )
        return [str(request.run_key) for request in requests], reason

    def begin(self, job: str, **tags: str) -> dg.DagsterRun:
        """A run that has begun elsewhere."""
        definition = self.definitions.resolve_job_def(job)
        return self.instance.create_run_for_job(
            definition, tags={**definition.run_tags, **tags}, status=dg.DagsterRunStatus.STARTED
        )

    def run(
        self,
        job: str,
        partition: str | None = None,
        tags: Mapping[str, str] | None = None,
        run_config: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition,
            tags=tags,
            run_config=run_config,
            raise_on_error=False,
        )


@pytest.fixture
def make_daemon() -> Iterator[Callable[[Pair], Daemon]]:
    """Opens Dagster's storage of a sync for a daemon; closed at the end."""
    with ExitStack() as stack:

        def make(pair: Pair) -> Daemon:
            home = Home(pair.home)
            return Daemon(stack.enter_context(open_instance(home)), home)

        yield make

"""Journals the outcomes of the objects of one attempt, and counts them."""

from collections.abc import Collection
from datetime import UTC, datetime

from hyve_pipeline.core.model.journal import AttemptSummary, JournalRow, OutcomeCounter
from hyve_pipeline.core.model.safety_rules import Action
from hyve_pipeline.core.model.server_lack import ServerLack
from hyve_pipeline.core.runtime.progress import report
from hyve_pipeline.state.journals import AttemptWriter


class Recorder:
    """Journals outcomes as they come and counts them, together with those of earlier attempts.

    Args:
        action: that of the shard.
        writer: the journal of the attempt.
        settled: the rows of objects that are done or skipped already.
        activity: what progress is reported as; by default the action.

    Attributes:
        total: how many objects have an outcome.
        lacks: features that the servers were found to lack.
        requests: how many requests the attempt made.
        retries: how often it sent one of them again.
    """

    def __init__(
        self, action: Action, writer: AttemptWriter, settled: Collection[JournalRow], activity: str | None = None
    ) -> None:
        self.total = len(settled)
        self.lacks: tuple[ServerLack, ...] = ()
        self.requests = 0
        self.retries = 0
        self._activity = activity or action
        self._writer = writer
        self._counter = OutcomeCounter()
        for row in settled:
            self._counter.add(row)
        report(self._activity, self.total, sum(row.bytes for row in settled))

    def add(self, row: JournalRow) -> None:
        """Journal the outcome of an object."""
        self._writer.append(row)
        self._counter.add(row)
        self.total += 1
        report(self._activity, 1, row.bytes)

    def add_all(self, rows: list[JournalRow]) -> None:
        """Journal the outcomes of several objects."""
        for row in rows:
            self._writer.append(row)
            self._counter.add(row)
        self.total += len(rows)
        report(self._activity, len(rows), sum(row.bytes for row in rows))

    @property
    def has_failures(self) -> bool:
        """Whether any object failed so far."""
        return self._counter.outcomes().tally.failed > 0

    def summary(self) -> AttemptSummary:
        """The totals so far, as the summary of the attempt."""
        begun = self._writer.begun
        return AttemptSummary(
            attempt=begun.attempt,
            run_id=begun.run_id,
            started=begun.started,
            ended=datetime.now(UTC),
            lacks=self.lacks,
            requests=self.requests,
            retries=self.retries,
            **dict(self._counter.outcomes()),
        )

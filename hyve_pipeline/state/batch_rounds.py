"""The rounds of jobs of S3 Batch Operations on disk.

    batch/open.json                                      the round whose jobs may be copying
    journals/<plan>/batch/<round>/round.json, manifest.parquet, CLASS.json, report.parquet, ended.json

While there is an open round, nothing of the sync is applied or undone but by its end: its jobs write into the store,
whether or not a process follows them.
"""

from hyve_pipeline.core.base.errors import RefusedError
from hyve_pipeline.core.model.batch import CreatedJob, OpenRound, Round, RoundResult
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.storage.storage import MissingFileError

_OPEN = "batch/open.json"
_ROUND = "round.json"
_ENDED = "ended.json"


def open_round(state: Folder) -> OpenRound | None:
    """The round of a sync whose jobs may be copying; None where there is none.

    Raises:
        StateError: it can't be read.
    """
    try:
        return state.read_manifest(_OPEN, OpenRound)
    except MissingFileError:
        return None


def raise_if_open(state: Folder) -> None:
    """Refuse to apply or undo anything while jobs may be copying.

    Raises:
        RefusedError: they may be.
        StateError: that can't be read.
    """
    found = open_round(state)
    if found is not None:
        raise RefusedError(
            "one_at_a_time",
            f"jobs of S3 Batch Operations copy for plan {found.plan}: run 'hyve copy --by batch --plan {found.plan}', "
            "which follows them to their end; it also ends this where they were cancelled",
        )


class RoundFolder:
    """The files of one round.

    Args:
        state: the sync's state.
        plan_id: the plan.
        number: the round's number.

    Attributes:
        manifest: the file of the keys of all manifests, see `core.model.batch.MANIFEST_SCHEMA`; a name below the state.
        report: that of what the reports say of them, see `core.model.batch.REPORTED_SCHEMA`.
    """

    def __init__(self, state: Folder, plan_id: str, number: int) -> None:
        path = f"{_rounds(plan_id)}/{number:04d}"
        self._state = state
        self._folder = state.below(path)
        self._name = OpenRound(plan=plan_id, number=number)
        self.manifest = f"{path}/manifest.parquet"
        self.report = f"{path}/report.parquet"

    @classmethod
    def following(cls, state: Folder, plan_id: str) -> tuple[int, "RoundFolder"]:
        """The number and the folder of the next round of a plan."""
        number = 1 + max((int(name) for name in state.names(_rounds(plan_id)) if name.isdecimal()), default=0)
        return number, cls(state, plan_id, number)

    def begin(self, asked: Round) -> None:
        """Write what is asked for, and then open the round: from now on its jobs may be copying.

        Raises:
            RefusedError: another round is open.
            StateError: it can't be written.
        """
        self._folder.write_manifest(_ROUND, asked)
        while not self._state.create_manifest(_OPEN, self._name):
            raise_if_open(self._state)

    def asked(self) -> Round:
        """What was asked for.

        Raises:
            StateError: it is missing or damaged.
        """
        return self._folder.read_manifest(_ROUND, Round)

    def created(self, storage_class: str) -> CreatedJob | None:
        """The job of a storage class; None where it is not known whether it was created.

        Raises:
            StateError: it is damaged.
        """
        try:
            return self._folder.read_manifest(f"{storage_class}.json", CreatedJob)
        except MissingFileError:
            return None

    def keep(self, storage_class: str, job: CreatedJob) -> CreatedJob:
        """Keep the job of a storage class, and return it; another one that was kept before stays.

        Raises:
            StateError: it can't be written or read.
        """
        if self._folder.create_manifest(f"{storage_class}.json", job):
            return job
        return self._folder.read_manifest(f"{storage_class}.json", CreatedJob)

    def end(self, result: RoundResult) -> None:
        """Keep what the jobs did, and close the round.

        Raises:
            StateError: it can't be written.
        """
        self._folder.write_manifest(_ENDED, result)
        self._state.remove(_OPEN)


def _rounds(plan_id: str) -> str:
    return f"journals/{plan_id}/batch"

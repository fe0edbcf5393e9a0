"""Every kind of object, on every server: a sync copies what the server supports.

By default this runs on the servers that the tests can start. Environment variables name others, with buckets for the
matrix, and `make compatibility` writes the outcomes to docs/compatibility.md.
"""

import pytest

from hyve_pipeline_tests.ceph.cluster import CEPH
from hyve_pipeline_tests.matrix.cases import Case
from hyve_pipeline_tests.matrix.conditions import RACES
from hyve_pipeline_tests.matrix.conftest import FindHistories, FindRaces, FindRun
from hyve_pipeline_tests.matrix.histories import HISTORY_CASES
from hyve_pipeline_tests.matrix.runs import Run, encryption_of
from hyve_pipeline_tests.matrix.servers import EXACT_MOTO, SETTINGS, Setting

pytestmark = pytest.mark.timeout(24 * 3600 if any(setting.name == "own-large" for setting in SETTINGS) else 600)


def _parameters(setting: Setting) -> list[pytest.MarkDecorator]:
    if "ceph" in (setting.source, setting.store):
        return list(CEPH)
    # All tests of a setting check one sync, and what a server supports is found out once for all: on one worker.
    marks = [pytest.mark.xdist_group("matrix")]
    if "rclone" in (setting.source, setting.store):
        marks.append(pytest.mark.rclone)
    return marks


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test each setting, and each case of it."""
    parameters = []
    is_of_histories = "history_name" in metafunc.fixturenames
    for setting in (*SETTINGS, EXACT_MOTO) if is_of_histories else SETTINGS:
        marks = _parameters(setting)
        if is_of_histories or "race_name" in metafunc.fixturenames:
            names = [case.name for case in (HISTORY_CASES if is_of_histories else RACES)]
            parameters += [pytest.param(setting, name, marks=marks, id=f"{setting.name}: {name}") for name in names]
            continue
        if "case_name" not in metafunc.fixturenames:
            parameters.append(pytest.param(setting, marks=marks, id=setting.name))
            continue
        for case in setting.choose(""):
            parameters.append(pytest.param(setting, case.name, marks=marks, id=f"{setting.name}: {case.name}"))
    names = [name for name in ("setting", "case_name", "race_name", "history_name") if name in metafunc.fixturenames]
    metafunc.parametrize(names, parameters)


def test_sync(find_run: FindRun, setting: Setting) -> None:
    """Both syncs succeed, and the second one copies nothing."""
    run = find_run(setting)
    for synced in (run.first, run.second):
        failed = {key: row["detail"] for key, row in synced.journal.items() if row["outcome"] == "failed"}
        assert failed == {}
        assert synced.finished.code == 0, synced.finished.err
        assert synced.finished.document["verified"] is True
    assert [
        key for key, row in run.second.journal.items() if row["action"] == "copy" and row["outcome"] == "done"
    ] == []


def test_object(find_run: FindRun, setting: Setting, case_name: str) -> None:
    run = find_run(setting)
    case = next(case for case in run.cases if case.name == case_name)
    if case.name in run.refused:
        pytest.skip(run.refused[case.name])
    {"copied": _check_copied, "skipped": _check_skipped, "absent": _check_absent}[case.ends](run, case)


def test_race(find_races: FindRaces, setting: Setting, race_name: str) -> None:
    """What another program wrote after the plan stays; by the server's own check, or else by a look right before."""
    row, reason = find_races(setting)[race_name]
    assert (row["outcome"], row["code"]) == ("skipped", "ChangedSincePlan"), row["detail"]
    assert "the store has an object" in row["detail"]
    if reason is not None:
        pytest.skip(reason)


def test_all_versions(find_histories: FindHistories, setting: Setting, history_name: str) -> None:
    """The store has the same versions and delete markers in the same order, and a second sync adds none."""
    run = find_histories(setting)
    if history_name in run.refused:
        pytest.skip(run.refused[history_name])
    case = next(case for case in HISTORY_CASES if case.name == history_name)
    first, second = (finished.document for finished in run.finished)
    assert (first["copied"], first["verified"]) == (len(HISTORY_CASES) - len(run.refused), True), run.finished
    assert (second["copied"], second["verified"]) == (0, True), run.finished
    assert len(run.source[case.key]) == len(case.history)
    assert run.store[case.key] == run.source[case.key]


def _check_copied(run: Run, case: Case) -> None:
    """The copy has all properties of the case; it is listed, copied once, and deleted when its source is."""
    was_there = case.store_has and not case.store_deleted
    assert case.key in run.first.listed["modified" if was_there else "new"]
    assert run.first.journal[case.key]["outcome"] == "done", run.first.journal[case.key]["detail"]
    copy, source = run.copies[case.key], run.seen[case.key]
    assert copy.holds_content
    for name in case.upload.watched:
        if case.encrypted_by_store:
            # Some servers copy the source's encryption.
            assert encryption_of(copy) in (run.default_encryption, encryption_of(source))
        elif name.startswith("x-amz-checksum-") and case.is_copied_in_parts:
            assert name in copy.headers
        else:
            assert copy.headers.get(name) == source.headers[name], name
    if case.keeps_etag and copy.etag != source.etag and run.hides_parts:
        pytest.skip("the server does not return the sizes of an object's parts, which its ETag depends on")
    if case.keeps_etag:
        # With KMS encryption an ETag is not an MD5 of the content.
        assert copy.etag == source.etag or "aws:kms" in encryption_of(copy).values()
    if case.needs_versions and was_there:
        assert case.key in run.replaced
    if case.is_about_key:
        assert case.key in run.second.listed["duplicate_stores"]
        assert run.second.journal[case.key]["outcome"] == "done", run.second.journal[case.key]["detail"]
        assert case.key not in run.second.store
    else:
        assert case.key not in run.second.journal
        assert run.second.store[case.key] == run.first.store[case.key]


def _check_skipped(run: Run, case: Case) -> None:
    """It is not copied, for a given reason, and the store's previous object is unchanged."""
    reason = run.first.skipped.get(case.key)
    if reason is None:
        row = run.first.journal[case.key]
        assert (row["outcome"], bool(row["code"])) == ("skipped", True), row["detail"]
        reason = row["detail"]
    assert reason
    assert (case.key in run.second.store) == case.store_has
    assert (case.key in run.untouched) == case.store_has


def _check_absent(run: Run, case: Case) -> None:
    """An object that was deleted in the source is deleted in the store."""
    assert case.key in run.first.listed["duplicate_stores"]
    assert run.first.journal[case.key]["outcome"] == "done", run.first.journal[case.key]["detail"]
    assert case.key not in run.first.store

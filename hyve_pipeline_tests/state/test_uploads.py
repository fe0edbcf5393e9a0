"""The files that say to the next process which uploads in parts are open."""

import pytest

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.open_upload import OpenUpload
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.uploads import ShardUploads, uploads_left_by_others

_UPLOAD = OpenUpload("store", "a\nb☃", "id 1", "e", (5, 5, 1))
_PLAN = "000001-20260102T030405678Z-aaaaaaaa"


def test_the_next_process_knows(state: Folder) -> None:
    ShardUploads(state, f"{_PLAN}-0001").begun(_UPLOAD)
    log = ShardUploads(state, f"{_PLAN}-0001")
    assert log.find(_UPLOAD.key) == _UPLOAD
    assert log.find("other") is None
    assert ShardUploads(state, f"{_PLAN}-0002").open == []
    log.ended(_UPLOAD)
    assert log.open == ShardUploads(state, f"{_PLAN}-0001").open == []
    assert state.names("uploads") == []


def test_the_second_upload_of_a_key_stays_when_the_first_ends(state: Folder) -> None:
    second = OpenUpload("store", _UPLOAD.key, "id 2", "e", (1,))
    log = ShardUploads(state, f"{_PLAN}-0001")
    log.begun(_UPLOAD)
    log.begun(second)
    log.ended(_UPLOAD)
    assert ShardUploads(state, f"{_PLAN}-0001").open == log.open == [second]


def test_those_of_other_plans_are_found(state: Folder) -> None:
    other = _PLAN.replace("aaaaaaaa", "bbbbbbbb")
    for plan in (_PLAN, other):
        ShardUploads(state, f"{plan}-0001").begun(_UPLOAD)
    assert [log.open for log in uploads_left_by_others(state, other)] == [[_UPLOAD]]


def test_a_damaged_file_is_named(state: Folder) -> None:
    ShardUploads(state, f"{_PLAN}-0001").begun(_UPLOAD)
    (name,) = state.names("uploads")
    state.write_text(f"uploads/{name}", "{}")
    with pytest.raises(StateError, match=f"{name}: damaged"):
        ShardUploads(state, f"{_PLAN}-0001")

"""Folders of a state, on this machine and in a bucket."""

from pathlib import Path

import pytest

from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.storage.bucket_storage import BucketStorage
from hyve_pipeline.state.storage.file_cache import FileCache
from hyve_pipeline_tests.conftest import MakePlace


@pytest.fixture
def in_bucket(tmp_path: Path, make_place: MakePlace) -> Folder:
    """A sync's state in a bucket."""
    return Folder(BucketStorage(make_place("state", prefix="home/"), FileCache(tmp_path / "cache")), "images")


@pytest.fixture(params=["folder", "bucket"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """A sync's state."""
    if request.param == "folder":
        return Folder.local(tmp_path / "state")
    folder = request.getfixturevalue("in_bucket")
    assert isinstance(folder, Folder)
    return folder

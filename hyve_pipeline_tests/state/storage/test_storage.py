"""Both storages do what `Storage` says."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline.state.storage.bucket_storage import BucketStorage
from hyve_pipeline.state.storage.file_cache import FileCache
from hyve_pipeline.state.storage.local_storage import LocalStorage
from hyve_pipeline.state.storage.storage import MissingFileError, Storage
from hyve_pipeline_tests.conftest import MakePlace
from hyve_pipeline_tests.faults import faulty_server
from hyve_pipeline_tests.s3.scripted import Answer


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, make_place: MakePlace) -> Storage:
    if request.param == "folder":
        return LocalStorage(tmp_path / "state")
    return BucketStorage(make_place("state", prefix="below/"), FileCache(tmp_path / "cache"))


def _names(storage: Storage, folder: str = "", *, recursive: bool = False) -> list[str]:
    return [entry.name for entry in storage.names(folder, recursive=recursive)]


def test_one_of_many_creates_a_file(storage: Storage) -> None:
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: storage.create("claims/1", b"%d" % number), range(8)))
    assert sum(created) == 1
    assert storage.read("claims/1") == b"%d" % created.index(True)
    assert not storage.create("claims/1", b"later")
    assert storage.read("claims/1") == b"%d" % created.index(True)


def test_a_file_is_written_whole_or_not_at_all(storage: Storage) -> None:
    with suppress(RuntimeError), storage.writing("a/file") as stream:
        stream.write(b"half")
        raise RuntimeError
    assert _names(storage, recursive=True) == []
    with storage.writing("a/file") as stream:
        stream.write(b"one ")
        stream.write(b"two")
    assert storage.read("a/file") == b"one two"
    with suppress(RuntimeError), storage.writing("a/file") as stream:
        stream.write(b"half")
        raise RuntimeError
    assert storage.read("a/file") == b"one two"


def test_a_request_that_fails_while_a_file_is_written_is_not_about_the_file(storage: Storage) -> None:
    error = S3RequestError("source", Request("HeadObject", "HEAD", "a"), "SlowDown", "no", status=503)
    with pytest.raises(S3RequestError) as raised, storage.writing("a/file"):
        raise error
    assert raised.value is error
    assert _names(storage, recursive=True) == []


@pytest.mark.parametrize("size", [0, 100, 9 * MIB, 70 * MIB])
def test_a_file_is_read_at_any_position(storage: Storage, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    with storage.writing("large") as stream:
        stream.write(content[:size])
    assert storage.size("large") == size
    with storage.open("large") as file:
        assert file.size() == size
        for position in (0, size // 3, max(0, size - 5)):
            assert file.read_at(5, position) == content[:size][position : position + 5]


def test_an_open_file_stays_the_version_that_it_was(storage: Storage) -> None:
    with storage.writing("file") as stream:
        stream.write(b"before")
    with storage.open("file") as file:
        with storage.writing("file") as stream:
            stream.write(b"other!")
        assert file.read_at(6, 0) == b"before"
    with storage.open("file") as file:
        assert file.read_at(6, 0) == b"other!"


def test_folders_are_listed_with_sizes_and_ages(storage: Storage) -> None:
    for name in ("plans/1/plan.json", "plans/2/plan.json", "plans/2/a b+c%.parquet", "plansx", "z"):
        storage.create(name, b"12345")
    assert _names(storage) == ["plans", "plansx", "z"]
    assert _names(storage, "plans") == ["1", "2"]
    assert _names(storage, "plans", recursive=True) == ["1/plan.json", "2/a b+c%.parquet", "2/plan.json"]
    assert _names(storage, "nothing") == []
    entries = storage.names("plans/2")
    assert [(entry.size, entry.is_folder) for entry in entries] == [(5, False)] * 2
    assert all(0 <= entry.age < 60 for entry in entries)
    assert [entry.is_folder for entry in storage.names("plans")] == [True, True]


def test_files_and_folders_are_removed(storage: Storage) -> None:
    for name in ("plans/1/plan.json", "plans/1/shards", "plans/10", "plans/1.json"):
        storage.create(name, b"12345")
    assert storage.remove("plans/1") == (2, 10)
    assert storage.remove("plans/10") == (1, 5)
    assert storage.remove("plans/10") == (0, 0)
    assert _names(storage, recursive=True) == ["plans/1.json"]


def test_what_is_missing_is_named(storage: Storage) -> None:
    for read in (storage.read, storage.open):
        with pytest.raises(MissingFileError, match=r"/plans/1\.json: missing"):
            read("plans/1.json")
    assert storage.size("plans/1.json") is None


def test_other_processes_get_it(storage: Storage) -> None:
    storage.create("file", b"1")
    assert pickle.loads(pickle.dumps(storage)).read("file") == b"1"


def test_a_server_that_ignores_the_condition_is_refused(
    rclone_endpoint: str, make_place: MakePlace, tmp_path: Path
) -> None:
    storage = BucketStorage(make_place("state", endpoint_url=rclone_endpoint), FileCache(tmp_path))
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="ignores If-None-Match"):
            storage.create("file", b"1")
    with pytest.raises(ConfigurationError, match="ignores If-None-Match"), storage.writing("file"):
        pass
    assert storage.names("") == []


def test_a_bucket_that_is_missing_is_named(make_place: MakePlace, tmp_path: Path) -> None:
    place = make_place("state").model_copy(update={"bucket": "no-such-bucket", "prefix": "home/"})
    storage = BucketStorage(place, FileCache(tmp_path))
    with pytest.raises(StateError, match="s3://no-such-bucket/home/file: can't be read: there is no bucket"):
        storage.read("file")


def test_impatient_requests_are_given_up(moto_endpoint: str, make_place: MakePlace, tmp_path: Path) -> None:
    with faulty_server(moto_endpoint) as server:
        place = make_place("state").model_copy(update={"endpoint_url": server.endpoint_url})
        storage = BucketStorage(place, FileCache(tmp_path)).impatient(0.5)
        assert storage.create("file", b"1")
        sent = len(server.received)
        server.fault = lambda _: Answer(status=503)
        with pytest.raises(StateError):
            storage.read("file")
        # It was sent once.
        assert len(server.received) == sent + 1
        go_on = Event()
        server.fault = lambda _: Answer(status=503) if go_on.wait(60) else None
        begun = monotonic()
        with pytest.raises(StateError):
            storage.read("file")
        assert monotonic() - begun < 30
        go_on.set()

"""The embedded server as tests have it: what makes and fills a bucket, and what reads all of it, is one request.

Tests make, fill and read buckets all the time. Object by object, boto3 and moto take some four milliseconds of a core
for each, which is more than what is tested takes.
"""

import ctypes
import functools
import http.client
import os
import pickle
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from hyve_pipeline.demo import server
from hyve_pipeline.demo.server import EmbeddedServer, main, make_application

# No path of S3: a bucket has no such name.
_PATH = "/-/tests"

_running: set[str] = set()


class MotoServer(EmbeddedServer):
    """The embedded server, which also takes and gives many objects at once."""

    MODULE = "hyve_pipeline_tests.moto_server"

    def __init__(self) -> None:
        super().__init__()
        _running.add(self.endpoint_url)

    def stop(self) -> None:
        _running.discard(getattr(self, "endpoint_url", ""))
        super().stop()


def is_running(endpoint_url: str) -> bool:
    """Whether such a server, started by this process, listens there."""
    return endpoint_url in _running


def make_bucket(endpoint_url: str, bucket: str, region: str, *, versioned: bool) -> None:
    """Make a bucket as boto3 does, which keeps versions if it is to."""
    _ask(endpoint_url, "make", bucket, region, versioned)


def put_all(endpoint_url: str, bucket: str, objects: Sequence[tuple[Any, bytes]]) -> None:
    """Put objects as boto3 does that is given no more than key and body."""
    _ask(endpoint_url, "put", bucket, objects)


def read_all(endpoint_url: str, bucket: str) -> dict[str, bytes]:
    """Every object, in the order of keys."""
    return _ask(endpoint_url, "read", bucket)


def drop_all(endpoint_url: str, buckets: list[str]) -> None:
    """Forget buckets and all that they have: otherwise the server's memory grows by a gigabyte over all tests."""
    _ask(endpoint_url, "drop", buckets)


def _ask(endpoint_url: str, *request: Any) -> Any:
    connection = http.client.HTTPConnection(urlsplit(endpoint_url).netloc, timeout=60)
    try:
        connection.request("POST", _PATH, pickle.dumps(request))
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    assert answer.status == 200, body.decode(errors="replace")
    return pickle.loads(body)


def _make_bucket(bucket: str, region: str, versioned: bool) -> None:
    made = _backend().create_bucket(bucket, region)
    if versioned:
        made.versioning_status = "Enabled"


def _put(bucket: str, objects: list[tuple[str, bytes]]) -> None:
    backend = _backend()
    acl = backend.get_bucket(bucket).acl
    for key, body in objects:
        kept = backend.put_object(bucket, key, body)
        kept.set_acl(acl)


def _read(bucket: str) -> dict[str, bytes]:
    from moto.s3.models import FakeKey

    found = _backend().get_bucket(bucket).keys.items()
    return {key: kept.value for key, kept in sorted(found) if isinstance(kept, FakeKey)}


def _drop(buckets: list[str]) -> None:
    from moto.core.model_instances import reset_model_data

    # Moto's own list of all objects that were ever made.
    reset_model_data()
    for name in buckets:
        bucket = _backend().buckets.pop(name, None)
        if bucket is None:
            continue
        # Each has its content in a file, which this closes; markers of deletes have none.
        for kept in (*bucket.multiparts.values(), *(one for key in bucket.keys for one in bucket.keys.getlist(key))):
            getattr(kept, "dispose", bool)()


def _backend() -> Any:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]


_VERBS: dict[str, Callable[..., Any]] = {"make": _make_bucket, "put": _put, "read": _read, "drop": _drop}


def _hurry() -> None:
    """Let moto find out only once what it finds out again for each answer: half of the time that a copy takes."""
    import werkzeug.utils
    from botocore.utils import parse_to_aware_datetime
    from moto.core import responses, serialize
    from moto.core.request import Request
    from moto.s3 import models

    # Each entry of a listing has its date parsed.
    quick = functools.lru_cache(1024)(parse_to_aware_datetime)
    serialize.parse_to_aware_datetime = quick  # pyright: ignore[reportPrivateImportUsage]

    # For each element of an answer, the names that it may have in moto's objects.
    picker = serialize.XFormedAttributePicker
    names_of, known = picker.get_possible_keys, dict[tuple[type, object, str], tuple[str, ...]]()

    def known_names(self: Any, context: Any) -> Iterable[str]:
        asked = type(context.obj), context.shape, context.key
        if asked not in known:
            known[asked] = tuple(dict.fromkeys(names_of(self, context)))
        return known[asked]

    picker.get_possible_keys = known_names  # type: ignore[method-assign]

    def add_request_id(headers: dict[str, Any]) -> str:
        headers["x-amzn-requestid"] = made = f"{random.getrandbits(208):052X}"
        return made

    # Moto draws letter by letter.
    responses.gen_amzn_requestid_long = add_request_id  # type: ignore[assignment]

    by_request = server.etag_of

    def etag_of(application: Any, environ: dict[str, Any], path: str, query: str) -> str | None:
        name, _, key = unquote(path).removeprefix("/").partition("/")
        bucket = _backend().buckets.get(name)
        found = None if bucket is None or query else bucket.keys.get(key)
        # A version, and what is not there by this name, is asked for as the server itself does.
        return found.etag if isinstance(found, models.FakeKey) else by_request(application, environ, path, query)

    # To look for the source of each copy takes half as long again as the copy.
    server.etag_of = etag_of

    # The URL of a request is made three times.
    Request.raw_url = werkzeug.utils.cached_property(Request.raw_url.fget, "raw_url")  # type: ignore[assignment]


# Options of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

_MIB = 1 << 20


def _keep_memory() -> None:
    """Hold objects of some megabytes in memory, and keep it when they are gone: half of the time that they take."""
    # Otherwise moto has those of 5 MiB and more in files.
    os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(64 * _MIB)
    # To get new pages for each object, and for each copy of it that moto makes, takes longer than to fill them.
    if sys.platform.startswith("linux") and (set_option := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        # What is larger than 32 MiB, and what is left above 256, goes back to the system.
        set_option(_M_MMAP_THRESHOLD, 32 * _MIB)
        set_option(_M_TRIM_THRESHOLD, 256 * _MIB)
        set_option(_M_ARENA_MAX, 1)


def _make() -> Any:
    """Moto's application, with the path of its own before it."""
    inner = make_application()
    # Flask makes a class for each request otherwise, to say in it what is missing.
    inner.debug = False
    _hurry()

    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != _PATH:
            return inner(environ, start_response)
        verb, *arguments = pickle.loads(environ["wsgi.input"].read())
        body = pickle.dumps(_VERBS[verb](*arguments))
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return application


if __name__ == "__main__":
    _keep_memory()
    main(make=_make)

"""The threads of AWS's Common Runtime, as Python knows them."""

import threading
from collections import defaultdict

from hyve_pipeline.s3.connection.open_connection import open_connection
from hyve_pipeline.s3.connection.transport import ResponseOrError
from hyve_pipeline.s3.wire.messages import Request
from hyve_pipeline_tests.conftest import PROFILE, MakePlace


def test_a_thread_of_the_crt_keeps_its_state(make_place: MakePlace) -> None:
    of_thread = threading.local()
    counts: dict[int, list[int]] = defaultdict(list)

    def read(_: ResponseOrError) -> None:
        # What is local to a thread goes with its state.
        of_thread.count = getattr(of_thread, "count", 0) + 1
        counts[threading.get_native_id()].append(of_thread.count)

    place = make_place().model_copy(update={"profile": PROFILE})
    with open_connection(place, transport="crt") as connection:
        for _ in range(20):
            connection.ask(Request("ListObjectsV2", "GET", query=(("list-type", "2"),)), read).result()
    assert sum(map(len, counts.values())) == 20
    assert all(found == list(range(1, len(found) + 1)) for found in counts.values())

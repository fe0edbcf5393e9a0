"""Threads for requests keep nothing of what they have done."""

import threading
import weakref

from hyve_pipeline.s3.connection.threads import Threads


class Job:
    """A job with content."""

    def __init__(self) -> None:
        self.content = bytearray(10)
        self.has_begun = threading.Event()

    def run(self) -> None:
        self.has_begun.set()


def test_a_thread_that_waits_for_a_job_does_not_keep_the_last_one() -> None:
    threads = Threads(1, "test")
    job = Job()
    has_gone = threading.Event()
    weakref.finalize(job, has_gone.set)
    threads.do(job.run, job.run)
    assert job.has_begun.wait(10)
    del job
    try:
        assert has_gone.wait(10)
    finally:
        threads.close()

"""A real queue: what is worked on longer than its time is kept from others, and comes again afterwards."""

import time

from hyve_pipeline.core.settings.events import EventSettings
from hyve_pipeline.s3.events.queue import Queue
from hyve_pipeline_tests.places import MakePlace
from hyve_pipeline_tests.queues import OwnQueue


def test_messages_are_kept_as_long_as_they_are_worked_on(
    make_place: MakePlace, queue_endpoint: str, queue: OwnQueue
) -> None:
    queue.send(*(f"{number}" for number in range(12)))
    own = Queue(EventSettings(queue_url=queue.url), make_place(endpoint_url=queue_endpoint))
    messages = own.receive(0, visibility_seconds=1) + own.receive(0, visibility_seconds=1)
    assert len(messages) == 12
    with own.keeping(messages, seconds=1):
        time.sleep(1.5)
        assert queue.counts() == (0, 12)
    own.give_back(messages[:5])
    assert queue.counts() == (5, 7)
    assert own.delete(messages[5:]) == 0
    assert queue.counts() == (5, 0)
    own.close()

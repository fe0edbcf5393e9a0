"""The example of docs/events.md does what the page says."""

from hyve_pipeline_tests.docs.markdown import ROOT
from hyve_pipeline_tests.docs.recipes import recipe_of
from hyve_pipeline_tests.docs.test_cookbook import follow
from hyve_pipeline_tests.queues import OwnQueue, send_events
from hyve_pipeline_tests.syncs import Hyve, MakePair

_RECIPE = recipe_of(ROOT / "docs" / "events.md")


def test_the_example(make_pair: MakePair, queue_endpoint: str, queue: OwnQueue, hyve: Hyve) -> None:
    pair = make_pair(endpoint_url=queue_endpoint)
    (text,) = _RECIPE.of("toml")
    with (pair.home / "hyve.toml").open("a") as file:
        file.write(text.replace(_RECIPE.settings["events"]["queue_url"], queue.url))
    pair.source.put({"albums/gone.jpg": b"1", "albums/stays.jpg": b"1"})
    pair.store.take_from(pair.source, ["albums/gone.jpg"])
    # It also sends a message that tries the queue.
    send_events(pair.source, queue)
    pair.source.put({"albums/1.jpg": b"1", "albums/2 +.jpg": b"2"})
    pair.source.delete("albums/gone.jpg")
    follow(_RECIPE, hyve)
    assert pair.store.read() == pair.source.read()

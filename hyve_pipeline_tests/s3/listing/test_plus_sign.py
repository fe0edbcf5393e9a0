"""What a plus sign in the keys of a page stands for."""

from urllib.parse import quote, quote_plus, unquote

import pytest

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.settings.options import TransportName
from hyve_pipeline_tests.s3.conftest import Connect
from hyve_pipeline_tests.s3.listing.walking import walked
from hyve_pipeline_tests.s3.scripted import (
    Answer,
    Received,
    Script,
    head_answer,
    listing,
    listing_entry,
    scripted_server,
)


@pytest.fixture
def transport() -> TransportName:
    """One of the two: all of this is about answers that have arrived."""
    return "crt"


def _plus_server(keys: set[str], *, is_form: bool) -> Script:
    def script(received: Received) -> Answer:
        if received.method == "HEAD":
            return head_answer() if unquote(received.path.split("/", 2)[2]) in keys else Answer(status=404)
        written = sorted(keys)
        entries = [listing_entry("X").replace("<Key>X<", f"<Key>{_encoded(key, is_form)}<") for key in written]
        return Answer(listing(entries))

    return script


def _encoded(key: str, is_form: bool) -> str:
    return quote_plus(key, safe="/") if is_form else quote(key, safe="/+")


@pytest.mark.parametrize("is_form", [True, False])
@pytest.mark.parametrize(
    ("keys", "heads"), [({"a+b", "c d"}, 0), ({"a+b"}, 2), ({"a b"}, 2), ({"a b", "e b", "f"}, 2), ({"C++", "x"}, 2)]
)
def test_what_a_plus_stands_for_is_shown_by_the_page_or_by_the_object(
    is_form: bool, keys: set[str], heads: int, connect: Connect
) -> None:
    written = {_encoded(key, is_form) for key in keys}
    is_shown = any("%2" in key for key in written) or not any("+" in key for key in written)
    with scripted_server(_plus_server(keys, is_form=is_form)) as server:
        connection = connect(server.place())
        for _ in range(2):
            assert walked(connection)[0] == sorted(keys)
        asked = [received for received in server.received if received.method == "HEAD"]
        assert len(asked) == (0 if is_shown else heads)


def test_a_plus_that_nothing_explains_is_no_listing(connect: Connect) -> None:
    answer = Answer(listing([listing_entry("X").replace("<Key>X<", "<Key>a+b<")]))
    for status in (200, 403, 404):
        with (
            scripted_server(lambda r, s=status: answer if r.method == "GET" else Answer(status=s)) as server,
            pytest.raises(IncompleteInventoryError, match=r"nothing shows whether the '\+' in the key 'a\+b' stands"),
        ):
            walked(connect(server.place()))

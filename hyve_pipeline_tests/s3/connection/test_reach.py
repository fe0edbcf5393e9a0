"""Whether something listens at an address."""

import socket

import pytest

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.s3.connection.reach import check_reachable

pytestmark = pytest.mark.usefixtures("aws_profile")


def test_a_server_that_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_reachable(f"http://127.0.0.1:{server.getsockname()[1]}")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "https://no-such-host.invalid", "http://a..b", f"http://{'x' * 300}.invalid"]
)
def test_nothing_that_listens(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_reachable(url, 5)
    assert str(refused.value).startswith(f"{url} can't be reached: ")
    assert "\n" not in str(refused.value)


def test_behind_a_proxy_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    check_reachable("http://127.0.0.1:1")

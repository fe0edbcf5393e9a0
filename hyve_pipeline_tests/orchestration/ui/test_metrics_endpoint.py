"""The endpoint for Prometheus: figures for all that reach it, and nothing for pages of other sites."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hyve_pipeline.core.base.errors import ConfigurationError
from hyve_pipeline.operations.context import Home
from hyve_pipeline.orchestration.ui.metrics_endpoint import metrics_endpoint
from hyve_pipeline_tests.operations.listings import context_at
from hyve_pipeline_tests.syncs import sync_table


@pytest.fixture
def home(tmp_path: Path) -> Home:
    settings = context_at(tmp_path).settings
    (tmp_path / "hyve.toml").write_text(sync_table("images", settings.source, settings.store))
    return Home(tmp_path)


@pytest.fixture
def url(home: Home) -> Iterator[str]:
    with metrics_endpoint(home, 0) as url:
        yield url


def _ask(url: str, method: str = "GET", path: str | None = None, **headers: str) -> tuple[int, str, str]:
    """The status, the content type and the body of an answer."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, parts.path if path is None else path, headers=named)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()


def test_figures_in_the_format_of_prometheus(url: str) -> None:
    status, content_type, text = _ask(url)
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["hyve_state_readable"].samples[0].labels == {"sync": "images"}
    assert _ask(url, "HEAD") == (200, content_type, "")
    assert urlsplit(url).hostname == "127.0.0.1"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example.org"}, 403),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 200),
    ],
)
def test_no_page_of_another_site_reads_them(url: str, headers: dict[str, str], status: int) -> None:
    assert _ask(url, **headers)[0] == status


def test_there_is_nothing_else(url: str) -> None:
    assert _ask(url, path="/")[0] == 404
    assert _ask(url, path="/metrics/../hyve.toml")[0] == 404
    assert _ask(url, "POST")[0] == 501
    assert _ask(url, "DELETE")[0] == 501


def test_settings_that_are_being_edited_do_not_end_it(home: Home) -> None:
    text = home.settings_file.read_text()
    home.settings_file.write_text("[sync.")
    with metrics_endpoint(home, 0) as url:
        status, _, problem = _ask(url)
        assert status == 503
        assert "hyve.toml" in problem
        home.settings_file.write_text(text)
        assert _ask(url)[0] == 200


def test_a_port_that_is_taken_is_one_line(home: Home, url: str) -> None:
    port = urlsplit(url).port or 0
    with (
        pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} can't be listened on for metrics"),
        metrics_endpoint(home, port),
    ):
        pass


def test_on_another_address_any_name_of_this_machine_reads_them(home: Home) -> None:
    with metrics_endpoint(home, 0, "0.0.0.0") as url:
        assert _ask(url.replace("0.0.0.0", "127.0.0.1"), Host="hyve.internal:9464")[0] == 200
        assert _ask(url.replace("0.0.0.0", "127.0.0.1"), Origin="https://evil.example.org")[0] == 403

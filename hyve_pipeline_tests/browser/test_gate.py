"""A page of another origin, in the browser that has the UI open: it can neither read nor change anything there."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from hyve_pipeline_tests.browser.conftest import Desk

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

_LAUNCH = (
    'mutation { launchRun(executionParams: {mode: "default", runConfigData: "", selector: {jobName: "gate_dryrun", '
    'repositoryLocationName: "hyve_pipeline", repositoryName: "__repository__"}}) { __typename } }'
)

# Tries all that a page can send, and gives what came of each: "refused", or what it got to see.
_ATTACK = """
async ([ui, mutation]) => {
  const body = JSON.stringify({query: mutation});
  const json = {'Content-Type': 'application/json'};
  const seen = {};
  const attempt = async (name, action) => {
    try { seen[name] = await action(); } catch (error) { seen[name] = 'refused'; }
  };
  const read = async (url, options) => (await fetch(url, {credentials: 'include', ...options})).text();
  const blind = async (url, options) =>
    `${(await fetch(url, {credentials: 'include', mode: 'no-cors', ...options})).type}`;
  const loaded = (element, url) => new Promise((resolve, reject) => {
    element.onload = () => resolve('loaded');
    element.onerror = () => reject(new Error());
    element.src = url;
    document.body.append(element);
  });
  await attempt('read', () => read(`${ui}/server_info`));
  await attempt('read by JSON', () => read(`${ui}/graphql`, {method: 'POST', headers: json, body}));
  await attempt('read by text', () => read(`${ui}/graphql`, {method: 'POST', body}));
  await attempt('read by URL', () => read(`${ui}/graphql?query=${encodeURIComponent(mutation)}`));
  await attempt('blind text', () => blind(`${ui}/graphql`, {method: 'POST', body}));
  await attempt('blind form', () =>
    blind(`${ui}/graphql?query=${encodeURIComponent(mutation)}`, {method: 'POST', body: new URLSearchParams('a=b')}));
  await attempt('blind URL', () => blind(`${ui}/graphql?query=${encodeURIComponent(mutation)}`));
  await attempt('image', () => loaded(new Image(), `${ui}/favicon.png`));
  await attempt('script', () => loaded(document.createElement('script'), `${ui}/graphql?query={version}`));
  await attempt('beacon', async () => {
    navigator.sendBeacon(`${ui}/graphql`, new Blob([body], {type: 'text/plain'}));
    return 'sent';
  });
  await attempt('websocket', () => new Promise((resolve, reject) => {
    const socket = new WebSocket(`${ui.replace('http', 'ws')}/graphql`, 'graphql-ws');
    socket.onopen = () => resolve('open');
    socket.onerror = () => reject(new Error());
  }));
  await attempt('frame', () => new Promise((resolve, reject) => {
    const frame = document.createElement('iframe');
    frame.onload = () => {
      try { resolve(frame.contentWindow.document.body.innerText); } catch (error) { reject(error); }
    };
    frame.src = ui;
    document.body.append(frame);
  }));
  await attempt('form', () => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.name = 'sink';
    document.body.append(frame);
    const form = document.createElement('form');
    form.method = 'POST';
    form.action = `${ui}/graphql?query=${encodeURIComponent(mutation)}`;
    form.target = 'sink';
    document.body.append(form);
    frame.onload = () => resolve('sent');
    form.submit();
  }));
  return seen;
}
"""

# They tell nothing of the answer; whether they did something shows in the runs.
_TELL_NOTHING = {"blind text", "blind form", "blind URL", "beacon", "form"}


@contextmanager
def _another_server() -> Iterator[int]:
    """The port of a server that shows an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def _runs(desk: Desk) -> int:
    data = desk.answers.ask(
        '{ runsOrError(filter: {tags: [{key: "hyve/sync", value: "gate"}]}) { ... on Runs { results { runId } } } }'
    )
    return len(data["runsOrError"]["results"])


def _launch_as_the_ui_does(page: Page) -> str:
    return page.evaluate(
        """async (query) => (await fetch('/graphql', {
          method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({query})})).text()""",
        _LAUNCH,
    )


@pytest.mark.sync("gate")
# Another site; and another port of the same host, to which the browser sends the cookie along.
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_another_page_neither_reads_nor_changes_anything(desk: Desk, host: str) -> None:
    ui = desk.answers.url
    before = _runs(desk)
    with _another_server() as port:
        page = desk.page.context.new_page()
        page.goto(f"http://{host}:{port}/")
        seen = page.evaluate(_ATTACK, [ui, _LAUNCH])
        page.wait_for_timeout(2_000)
        assert {name: what for name, what in seen.items() if what != "refused" and name not in _TELL_NOTHING} == {}
        assert set(seen) >= _TELL_NOTHING
        # What it opens in a window of its own is out of its reach.
        page.evaluate("ui => { window.opened = window.open(ui, 'opened'); }", ui)
        page.wait_for_timeout(1_000)
        assert page.evaluate(
            "() => { try { return opened.document.body.innerText; } catch (error) { return 'refused'; } }"
        ) in ("refused", "")
    assert _runs(desk) == before
    # The same request of a page of the UI's is what the UI lives by.
    desk.open("/runs")
    assert json.loads(_launch_as_the_ui_does(desk.page))["data"]["launchRun"]["__typename"] == "LaunchRunSuccess"
    assert _runs(desk) == before + 1


@pytest.mark.sync("gate")
def test_a_name_that_leads_here_shows_nothing(desk: Desk) -> None:
    """The browser takes rebound.example for this machine, as a name server of an attacker's can make it."""
    port = urlsplit(desk.answers.url).port
    page = desk.page.context.new_page()
    answer = page.goto(f"http://rebound.example:{port}/?token={desk.answers.token}")
    assert answer is not None
    assert answer.status == 403
    assert json.loads(_status_of_launch(page)) == 403


def _status_of_launch(page: Page) -> str:
    return page.evaluate(
        """async (query) => `${(await fetch('/graphql', {
          method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({query})})).status}`""",
        _LAUNCH,
    )


@pytest.mark.sync("gate")
def test_a_browser_needs_the_url_that_was_printed_once(desk: Desk, tmp_path: Path) -> None:
    browser = desk.page.context.browser
    assert browser is not None
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(desk.answers.url)
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_text("open the URL that hyve ui printed in the terminal")).to_be_visible()
    # By a file, as `hyve ui` shows it in a browser: from there, a redirect would lose the cookie.
    file = tmp_path / "ui.html"
    file.write_text(f'<meta http-equiv="refresh" content="0;url={desk.answers.opening_url}">')
    page.goto(file.as_uri())
    page.wait_for_url(lambda url: url.startswith(desk.answers.url) and "token" not in url)
    expect(page.get_by_text("Jobs").or_(page.get_by_text("Overview")).first).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    assert desk.answers.token not in page.evaluate("document.referrer + document.documentElement.outerHTML")
    # Another page of the same browser needs nothing more; one that another site leads to needs a click.
    other = context.new_page()
    opened = other.goto(f"{desk.answers.url}/runs")
    assert opened is not None
    assert opened.status == 200
    with _another_server() as port:
        other.goto(f"http://localhost:{port}/")
        other.evaluate("url => { location.href = url; }", f"{desk.answers.url}/runs")
        other.get_by_role("link", name="Open it here").click()
        expect(other.get_by_text("Runs").first).to_be_visible()
    context.close()

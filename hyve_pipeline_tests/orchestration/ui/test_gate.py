"""Each rule of the gate, by requests as a server hands them to an application."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyve_pipeline.orchestration.ui.gate import Gate

_TOKEN = "t" * 43
_PORT = 3000
_HOST = f"127.0.0.1:{_PORT}"
_COOKIE = f"hyve_ui_{_PORT}={_TOKEN}"
_JSON = {"content-type": "application/json"}
_KNOWN = {"host": _HOST, "cookie": _COOKIE}
_NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html,*/*"}


@dataclass
class Answer:
    """What came back, and whether the application behind the gate was asked.

    Attributes:
        status: the HTTP status; of a WebSocket, 101 when it was accepted and 403 when it was closed before that.
    """

    reached: bool = False
    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


def ask(
    method: str = "GET",
    target: str = "/",
    headers: Mapping[str, str] | list[tuple[str, str]] = _KNOWN,
    *,
    port: int = _PORT,
    kind: str = "http",
) -> Answer:
    answer = Answer()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        answer.reached = True
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        own = [(b"referrer-policy", b"unsafe-url"), (b"content-security-policy", b"default-src 'self'")]
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body", "body": b"behind the gate"})

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request", "body": b""}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(key.decode(), value.decode()) for key, value in message["headers"]]
        elif message["type"] == "http.response.body":
            answer.body += message["body"].decode()
        else:
            answer.status = 101 if message["type"] == "websocket.accept" else 403

    path, _, query = target.partition("?")
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [(key.encode(), value.encode()) for key, value in pairs],
    }
    if kind == "http":
        scope["method"] = method
    asyncio.run(Gate(application, _TOKEN, port)(scope, receive, send))
    return answer


def websocket(headers: Mapping[str, str]) -> Answer:
    return ask(target="/graphql", headers=headers, kind="websocket")


@pytest.mark.parametrize("host", [_HOST, f"localhost:{_PORT}", f"[::1]:{_PORT}", f"LocalHost:{_PORT}"])
def test_own_names_are_let_through(host: str) -> None:
    headers = {"host": host, "cookie": _COOKIE, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    assert ask("POST", "/graphql", {**headers, **_JSON}).reached
    assert websocket(headers).status == 101


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{_PORT}",
        "127.0.0.1",
        "127.0.0.1:3001",
        f"127.0.0.1.evil.example:{_PORT}",
        f"localhost.evil.example:{_PORT}",
        f"evil.example@127.0.0.1:{_PORT}",
        f"127.0.0.1:{_PORT}.",
        f"127.0.0.1:{_PORT}, evil.example",
        f" 127.0.0.1:{_PORT}",
        f"127.1:{_PORT}",
        f"0.0.0.0:{_PORT}",
        f"::1:{_PORT}",
        "",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    """A page can give its own name this server's address; then its requests have its own name."""
    for answer in (ask(headers={"host": host, "cookie": _COOKIE}), websocket({"host": host, "cookie": _COOKIE})):
        assert (answer.reached, answer.status) == (False, 403)


def test_a_request_has_one_host() -> None:
    assert ask(headers=[("cookie", _COOKIE)]).status == 403
    two = ask(headers=[("host", _HOST), ("host", _HOST), ("cookie", _COOKIE)])
    assert (two.reached, two.status) == (False, 400)


def test_the_default_port_is_left_out_by_browsers() -> None:
    known = {"host": "localhost", "cookie": f"hyve_ui_80={_TOKEN}", "origin": "http://localhost"}
    assert ask(headers=known, port=80).reached
    assert not ask(headers={"host": "localhost", "cookie": f"hyve_ui_3000={_TOKEN}"}).reached


@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_no_host_but_the_own_ones(host: str) -> None:
    own = host.lower() in {f"{name}:{_PORT}" for name in ("127.0.0.1", "localhost", "[::1]")}
    assert ask(headers={"host": host, "cookie": _COOKIE}).reached is own


_NEAR = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "ws://", "//", ""]),
    st.sampled_from(["127.0.0.1", "localhost", "[::1]", "127.0.0.1.evil.example", "evil.example", "127.0.0.2"]),
    st.sampled_from(["", ":80", ":3000", ":3001", ":30000"]),
    st.sampled_from(["", "/", ".", "@evil.example", " null"]),
)


@given(st.one_of(_NEAR, st.text(st.characters(codec="latin-1"), max_size=40)))
def test_no_origin_but_the_own_one(origin: str) -> None:
    """Also not the same server by another of its names: a browser takes it for another origin."""
    own = origin.lower() == f"http://{_HOST}"
    headers = {**_KNOWN, "origin": origin}
    assert ask("POST", "/graphql", {**headers, **_JSON}).reached is own
    assert ask(headers=headers).reached is own
    assert (websocket(headers).status == 101) is own


@pytest.mark.parametrize("origin", ["null", "http://evil.example", f"https://{_HOST}", f"http://localhost:{_PORT}"])
def test_another_origin_is_refused(origin: str) -> None:
    answer = ask("POST", "/graphql", {**_KNOWN, **_JSON, "origin": origin})
    assert (answer.reached, answer.status) == (False, 403)
    assert answer.header("access-control-allow-origin") is None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_requests_of_other_sites_are_refused(site: str) -> None:
    """`same-site` is another port of this machine."""
    headers = {**_KNOWN, "sec-fetch-site": site}
    for answer in (
        ask(headers=headers),
        ask(target=f"/?token={_TOKEN}", headers=headers),
        ask("POST", "/graphql", {**headers, **_JSON}),
        ask("POST", "/graphql", {**headers, **_JSON, **_NAVIGATION}),
        ask(headers={**headers, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}),
        websocket(headers),
    ):
        assert (answer.reached, answer.status) == (False, 403)


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_own_pages_and_the_person_ask_for_is_let_through(site: str) -> None:
    assert ask(headers={**_KNOWN, "sec-fetch-site": site}).reached


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/graphql",
        "application/json-patch",
    ],
)
def test_only_json_is_posted(content_type: str | None) -> None:
    headers = _KNOWN if content_type is None else {**_KNOWN, "content-type": content_type}
    answer = ask("POST", "/graphql", headers)
    assert (answer.reached, answer.status) == (False, 415)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_let_through(content_type: str) -> None:
    assert ask("POST", "/graphql", {**_KNOWN, "content-type": content_type}).reached


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get"])
def test_other_methods_are_refused(method: str) -> None:
    answer = ask(method, "/graphql", {**_KNOWN, **_JSON, "origin": f"http://{_HOST}"})
    assert (answer.reached, answer.status) == (False, 405)
    assert answer.header("access-control-allow-methods") is None


def test_graphql_takes_no_query_by_its_url() -> None:
    for target in ("/graphql?query=mutation{x}", "/graphql?operationName=a", "/graphql?query"):
        answer = ask(target=target)
        assert (answer.reached, answer.status) == (False, 405)
    assert ask(target="/graphql").reached  # the page that asks
    assert ask(target="/runs?q=query").reached


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": f"hyve_ui_{_PORT}="},
        {"cookie": f"hyve_ui_{_PORT}={_TOKEN[:-1]}"},
        {"cookie": f"hyve_ui_{_PORT}={_TOKEN}x"},
        {"cookie": f"hyve_ui_3001={_TOKEN}"},
        {"cookie": f"xhyve_ui_{_PORT}={_TOKEN}"},
        {"cookie": _TOKEN},
        {"authorization": _TOKEN},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {_TOKEN}"},
        {"authorization": f"Bearer {_TOKEN}x"},
    ],
)
def test_without_the_token_nothing_is_shown(headers: dict[str, str]) -> None:
    for target in ("/", "/server_info", "/favicon.png", "/logs/a/b.out", "/notebook"):
        answer = ask(target=target, headers={"host": _HOST, **headers})
        assert (answer.reached, answer.status) == (False, 403)
        assert "hyve ui" in answer.body
    assert not ask("POST", "/graphql", {"host": _HOST, **_JSON, **headers}).reached
    assert websocket({"host": _HOST, **headers}).status == 403


@given(st.text(st.characters(codec="latin-1", exclude_characters=";"), max_size=60))
def test_no_cookie_but_the_token(value: str) -> None:
    headers = {"host": _HOST, "cookie": f"a=b; hyve_ui_{_PORT}={value}"}
    assert ask(headers=headers).reached is (value.strip() == _TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        {"cookie": f"hyve_ui_3001=other; {_COOKIE}"},
        {"cookie": f"hyve_ui_{_PORT}=of-another-path; {_COOKIE}; theme=dark"},
        {"authorization": f"Bearer {_TOKEN}"},
        {"authorization": f"bearer  {_TOKEN}"},
    ],
)
def test_with_the_token_it_is_let_through(headers: dict[str, str]) -> None:
    assert ask(headers={"host": _HOST, **headers}).reached
    assert ask("POST", "/graphql", {"host": _HOST, **_JSON, **headers}).reached
    assert websocket({"host": _HOST, **headers}).status == 101


def test_the_printed_url_puts_the_token_into_a_cookie() -> None:
    answer = ask(target=f"/runs/1?token={_TOKEN}&q=a%20b", headers={"host": _HOST, "sec-fetch-site": "none"})
    assert (answer.reached, answer.status) == (False, 303)
    assert answer.header("location") == f"http://{_HOST}/runs/1?q=a+b"
    assert (answer.header("referrer-policy"), answer.header("cache-control")) == ("no-referrer", "no-store")
    cookie = answer.header("set-cookie") or ""
    name, *attributes = cookie.lower().split("; ")
    assert name == _COOKIE
    assert {"httponly", "samesite=strict", "path=/"} <= set(attributes)
    assert not [attribute for attribute in attributes if attribute.startswith(("domain", "max-age", "expires"))]


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("//evil.example/a", "/evil.example/a"),
        ("/\\evil.example", "/evil.example"),
        ("///", "/"),
        ("/a\r\nset-cookie: b", "/a%0D%0Aset-cookie:%20b"),
    ],
)
def test_it_leads_nowhere_else(path: str, location: str) -> None:
    answer = ask(target=f"{path}?token={_TOKEN}", headers={"host": _HOST})
    assert answer.header("location") == f"http://{_HOST}{location}"


def test_a_wrong_token_in_the_url() -> None:
    assert ask(target="/?token=wrong", headers={"host": _HOST}).status == 403
    assert ask(target="/?token=wrong", headers={"host": _HOST}).header("set-cookie") is None
    # A browser that has the cookie already, for example from an earlier day, is let through.
    known = ask(target="/runs?token=wrong")
    assert (known.status, known.header("location")) == (303, f"http://{_HOST}/runs")


def test_a_post_is_not_known_by_its_url() -> None:
    assert ask("POST", f"/graphql?token={_TOKEN}", {"host": _HOST, **_JSON}).status == 403
    assert ask(target=f"/graphql?token={_TOKEN}", headers={"host": _HOST}, kind="websocket").status == 403


def test_a_file_or_another_page_can_lead_to_the_printed_url() -> None:
    """A redirect would keep the cookie back, so a page leads on."""
    headers = {"host": _HOST, "sec-fetch-site": "cross-site", **_NAVIGATION}
    answer = ask(target=f"/?token={_TOKEN}", headers=headers)
    assert (answer.reached, answer.status) == (False, 200)
    assert f'content="0;url=http://{_HOST}/"' in answer.body
    assert _TOKEN not in answer.body
    assert answer.header("referrer-policy") == "no-referrer"
    assert _COOKIE in (answer.header("set-cookie") or "")


def test_a_page_that_another_site_leads_to_is_opened_by_a_click() -> None:
    headers = {"host": _HOST, "sec-fetch-site": "cross-site", **_NAVIGATION}
    answer = ask(target='/runs/"><script>?q=<b>', headers=headers)
    assert (answer.reached, answer.status) == (False, 403)
    assert '<a href="/runs/%22%3E%3Cscript%3E?q=%3Cb%3E">' in answer.body


def test_a_refusal_is_a_page_for_browsers_and_a_line_for_others() -> None:
    page = ask(headers={"host": _HOST, "accept": "text/html"})
    line = ask(headers={"host": _HOST})
    assert page.body.startswith("<!doctype html>")
    assert line.body == "this page needs the token: open the URL that `hyve ui` printed in the terminal\n"


@pytest.mark.parametrize("headers", [_KNOWN, {"host": _HOST}, {"host": "evil.example"}])
def test_no_other_page_can_show_or_read_an_answer(headers: dict[str, str]) -> None:
    answer = ask(headers=headers)
    assert answer.header("x-frame-options") == "DENY"
    assert "frame-ancestors 'none'" in [value for key, value in answer.headers if key == "content-security-policy"]
    assert answer.header("referrer-policy") == "same-origin"
    assert answer.header("cross-origin-resource-policy") == "same-origin"
    assert not [key for key, _ in answer.headers if key.startswith("access-control-")]


def test_the_applications_own_policy_counts_as_well() -> None:
    policies = [value for key, value in ask().headers if key == "content-security-policy"]
    assert policies == ["default-src 'self'", "frame-ancestors 'none'"]


@pytest.mark.parametrize("path", ["/notebook", "/dagit/notebook"])
def test_the_ui_shows_notebooks_in_frames_of_its_own(path: str) -> None:
    answer = ask(target=f"{path}?path=a.ipynb")
    assert answer.reached
    assert answer.header("x-frame-options") == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in [value for key, value in answer.headers if key == "content-security-policy"]


def test_a_browser_keeps_the_files_whose_names_have_a_hash() -> None:
    script = "/_next/static/chunks/main-28206b536e1c4f74.js"
    assert ask(target=script).header("cache-control") == "private, max-age=31536000, immutable"
    assert ask(target=script, headers={"host": _HOST}).header("cache-control") is None  # refused
    assert ask(target="/assets").header("cache-control") is None
    assert ask("POST", "/graphql", {**_KNOWN, **_JSON}).header("cache-control") is None

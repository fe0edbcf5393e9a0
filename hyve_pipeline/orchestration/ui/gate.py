"""The gate before Dagster's web server: it lets through what the UI's own pages, and holders of the token, ask for.

Dagster's web server asks nobody who they are, and takes a mutation from any page that can send a request to it: as a
form, as plain text, by a URL, by a WebSocket, or under a name of its own that leads here (DNS rebinding). So of every
request

1. `Host` is this server's own,
2. `Origin` and `Sec-Fetch-Site`, where they are sent, are of its own pages,
3. the method is one that asks, or POST with JSON, which no other page can send without this server's consent; GraphQL
   takes no question by its URL,
4. the token comes along: in the cookie, or as a bearer's.

The token is in the URL once, when the UI is opened, and goes into a cookie then. The cookie's name has the port: all
servers of a host share their cookies, and those of two UIs must not replace each other.
"""

import hmac
import html
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hyve_pipeline.orchestration.ui.access_token import TOKEN_PARAMETER

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_OWN_SITES = ("same-origin", "none")  # "none": the person has typed the address, or chosen a bookmark
_DEFAULT_PORT = 80
_GRAPHQL = "/graphql"
# Dagster's UI shows these within a page of its own.
_FRAMED_BY_OWN_PAGES = ("/notebook", "/dagit/notebook")
_POLICY_VIOLATION = 1008

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>hyve ui</title>{head}</head>
<body style="font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em">{body}</body></html>
"""


class _Refusal(Exception):  # noqa: N818 - it is an answer
    """Why a request is not let through.

    Attributes:
        status: the HTTP status.
        reason: one line.
        way_on: a path of this server that the person may want to open, or None.
    """

    def __init__(self, status: int, reason: str, way_on: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.way_on = way_on


class _Request:
    """What the gate reads of a request or of a WebSocket's handshake."""

    def __init__(self, scope: Scope) -> None:
        self.is_websocket = scope["type"] == "websocket"
        self.method: str = "GET" if self.is_websocket else scope["method"]
        self.path: str = scope["path"]
        self.query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]

    def all(self, name: str) -> list[str]:
        """The values of every header of that name."""
        return [value.decode("latin-1") for key, value in self._headers if key.lower() == name.encode()]

    def one(self, name: str) -> str | None:
        """The value of a header; None without it.

        Raises:
            _Refusal: there are several, of which the application could read another one.
        """
        values = self.all(name)
        if len(values) > 1:
            raise _Refusal(400, f"the request has {len(values)} headers {name}")
        return values[0] if values else None

    @property
    def token(self) -> str | None:
        """The token in the URL."""
        if self.is_websocket or self.method not in ("GET", "HEAD"):
            return None
        return next((value for name, value in self.query if name == TOKEN_PARAMETER), None)

    @property
    def target(self) -> str:
        """The path and the query without the token, as they go into a URL."""
        # One slash: what begins with two would name another host.
        path = quote("/" + self.path.lstrip("/\\"), safe="/~!$&'()*+,;=:@")
        query = urlencode([(name, value) for name, value in self.query if name != TOKEN_PARAMETER])
        return f"{path}?{query}" if query else path

    @property
    def is_navigation(self) -> bool:
        """Whether a browser wants to show the answer as a page of its own, in no frame."""
        return self.method == "GET" and (self.one("sec-fetch-mode"), self.one("sec-fetch-dest")) == (
            "navigate",
            "document",
        )


class Gate:
    """Lets through what is allowed, and answers everything else itself.

    Args:
        application: Dagster's web server.
        token: what opens it.
        port: where it listens, on loopback.
    """

    def __init__(self, application: ASGIApp, token: str, port: int) -> None:
        self._application = application
        self._token = token.encode()
        self._cookie = f"hyve_ui_{port}"
        self._hosts = frozenset(f"{name}:{port}" for name in _NAMES) | frozenset(
            _NAMES if port == _DEFAULT_PORT else ()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        request = _Request(scope)
        try:
            answer = self._judge(request)
        except _Refusal as refusal:
            answer = _refusal_page(request, refusal)
        if answer is None:
            await self._application(scope, receive, _with_headers(send, request))
        elif request.is_websocket:
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await answer(scope, receive, _with_headers(send, request))

    def _judge(self, request: _Request) -> Response | None:
        """The gate's own answer; None for what is let through.

        Raises:
            _Refusal: it is not allowed.
        """
        host = self._check_host(request)
        origin = request.one("origin")
        if origin is not None and origin.lower() != f"http://{host}":
            raise _Refusal(403, "this request comes from a page of another origin")
        _check_method(request)
        is_own = request.one("sec-fetch-site") in (None, *_OWN_SITES)
        if not is_own and not request.is_navigation:
            raise _Refusal(403, "this request comes from a page of another site")
        if request.token is not None and self._is_token(request.token):
            return self._welcome(request, host, redirected=is_own)
        if not is_own:
            # The browser keeps the cookie back, as a page of ours that it comes from would not.
            raise _Refusal(403, "this page was opened from another site", way_on=request.target)
        if not self._is_known(request):
            raise _Refusal(403, "this page needs the token: open the URL that `hyve ui` printed in the terminal")
        if request.token is not None:
            return RedirectResponse(f"http://{host}{request.target}", 303)
        return None

    def _check_host(self, request: _Request) -> str:
        host = (request.one("host") or "").lower()
        if host not in self._hosts:
            raise _Refusal(403, "this server has another name: open the URL that `hyve ui` printed in the terminal")
        return host

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token)

    def _is_known(self, request: _Request) -> bool:
        """Whether the token came along, in the cookie or as a bearer's."""
        bearers = (value.partition(" ") for value in request.all("authorization"))
        given = [token.strip() for scheme, _, token in bearers if scheme.lower() == "bearer"]
        given += _cookies(request.all("cookie"), self._cookie)
        return any(self._is_token(value) for value in given)

    def _welcome(self, request: _Request, host: str, *, redirected: bool) -> Response:
        """Keep the token in a cookie, and go on to the same page without it in the URL."""
        url = f"http://{host}{request.target}"
        if redirected:
            response: Response = RedirectResponse(url, 303)
        else:
            # Redirected from elsewhere, the browser would keep the cookie back; from a page of ours it does not.
            safe = html.escape(url)
            response = HTMLResponse(
                _PAGE.format(
                    head=f'<meta http-equiv="refresh" content="0;url={safe}">',
                    body=f'<p><a href="{safe}">Dagster UI</a></p>',
                )
            )
        response.set_cookie(self._cookie, self._token.decode(), path="/", httponly=True, samesite="strict")
        return response


def _check_method(request: _Request) -> None:
    """Check that the request is one that changes nothing, or that no page elsewhere can send.

    Raises:
        _Refusal: it is another one.
    """
    if request.method not in ("GET", "HEAD", "POST"):
        raise _Refusal(405, f"{request.method} is not allowed here")
    if request.method == "POST":
        media_type = (request.one("content-type") or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise _Refusal(415, "only application/json can be posted here")
    elif request.path == _GRAPHQL and any(name != TOKEN_PARAMETER for name, _ in request.query):
        raise _Refusal(405, "GraphQL is asked by POST here, not by the URL")


def _cookies(headers: Iterable[str], name: str) -> list[str]:
    """Every cookie of that name: one of another path may come first."""
    pairs = (pair.strip().partition("=") for header in headers for pair in header.split(";"))
    return [value for key, _, value in pairs if key == name]


def _refusal_page(request: _Request, refusal: _Refusal) -> Response:
    if not any("text/html" in value for value in request.all("accept")):
        return PlainTextResponse(f"{refusal.reason}\n", refusal.status)
    reason = re.sub("`(.+?)`", r"<code>\1</code>", html.escape(refusal.reason[0].upper() + refusal.reason[1:]))
    link = "" if refusal.way_on is None else f'<p><a href="{html.escape(refusal.way_on)}">Open it here</a></p>'
    return HTMLResponse(_PAGE.format(head="", body=f"<p>{reason}.</p>{link}"), refusal.status)


def _with_headers(send: Send, request: _Request) -> Send:
    """Answers that no other page can show, read or learn the URL of."""
    frame, ancestors = ("SAMEORIGIN", "'self'") if request.path in _FRAMED_BY_OWN_PAGES else ("DENY", "'none'")

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = frame
            # Beside a policy of the application's own: both count.
            headers.append("Content-Security-Policy", f"frame-ancestors {ancestors}")
            headers["Referrer-Policy"] = "same-origin"
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            if request.token is not None:
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cache-Control"] = "no-store"
        await send(message)

    return send_with_headers

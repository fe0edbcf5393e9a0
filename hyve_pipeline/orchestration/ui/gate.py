"""The gate before Dagster's web server: only requests of the UI's own pages, or with the token, pass it.

Dagster's web server has no authentication, and accepts a mutation from any page that can send a request to it: as a
form, as plain text, in a URL, over a WebSocket, or with another host name for this address (DNS rebinding). So for
every request

1. `Host` must be this server's own,
2. `Origin` and `Sec-Fetch-Site`, if present, must be those of its own pages,
3. the method must be GET or HEAD, or POST with JSON, which no other page can send without this server's consent (CORS);
   GraphQL is not accepted in the URL,
4. the token must be present: in the cookie, or as a bearer token.

The token is in the URL once, when the UI is opened, and then in a cookie. The cookie's name has the port: all servers
of a host share their cookies, and those of two UIs must not replace each other.
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
_OWN_SITES = ("same-origin", "none")  # "none": the user entered the address, or opened a bookmark
_DEFAULT_PORT = 80
_GRAPHQL = "/graphql"
# Dagster's UI shows these in a frame of its own pages.
_FRAMED_BY_OWN_PAGES = ("/notebook", "/dagit/notebook")
_POLICY_VIOLATION = 1008

# The scripts and styles of Dagster's pages: a hash of its content is in each one's name.
_HASHED_FILES = "/_next/static/"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>hyve ui</title>{head}</head>
<body style="font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em">{body}</body></html>
"""


class _Refusal(Exception):  # noqa: N818 - it is an answer
    """Why a request is refused.

    Attributes:
        status: the HTTP status.
        reason: one line.
        link: a path of this server that the user may want to open, or None.
    """

    def __init__(self, status: int, reason: str, link: str | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.link = link


class _Request:
    """The parts of a request, or of a WebSocket's handshake, that the gate checks."""

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
            _Refusal: there are several, and the application might use another one.
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
        """The path and the query without the token, percent-encoded."""
        # One slash: two would be followed by a host.
        path = quote("/" + self.path.lstrip("/\\"), safe="/~!$&'()*+,;=:@")
        query = urlencode([(name, value) for name, value in self.query if name != TOKEN_PARAMETER])
        return f"{path}?{query}" if query else path

    @property
    def is_navigation(self) -> bool:
        """Whether a browser opens the answer as a page, not in a frame."""
        fetched = self.one("sec-fetch-mode"), self.one("sec-fetch-dest")
        return self.method == "GET" and fetched == ("navigate", "document")


class Gate:
    """Passes allowed requests on, and answers all others itself.

    Args:
        application: Dagster's web server.
        token: the access token.
        port: the port on loopback.
    """

    def __init__(self, application: ASGIApp, token: str, port: int) -> None:
        self._application = application
        self._token = token.encode()
        self._cookie = f"hyve_ui_{port}"
        self._hosts = frozenset(f"{name}:{port}" for name in _NAMES) | frozenset(
            _NAMES if port == _DEFAULT_PORT else ()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
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
        """The gate's own answer; None for a request to pass on.

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
            # The browser does not send the cookie then; from a page of ours it does.
            raise _Refusal(403, "this page was opened from another site", link=request.target)
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
        """Whether the request has the token, in the cookie or as a bearer token."""
        bearers = (value.partition(" ") for value in request.all("authorization"))
        given = [token.strip() for scheme, _, token in bearers if scheme.lower() == "bearer"]
        given += _cookies(request.all("cookie"), self._cookie)
        return any(self._is_token(value) for value in given)

    def _welcome(self, request: _Request, host: str, *, redirected: bool) -> Response:
        """Set the token as a cookie, and open the same page without it in the URL."""
        url = f"http://{host}{request.target}"
        if redirected:
            response: Response = RedirectResponse(url, 303)
        else:
            # After a redirect from another site, the browser would not send the cookie; from a page of ours it does.
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
    """Check that the request changes nothing, or that no other site can send it.

    Raises:
        _Refusal: its method or media type is not allowed.
    """
    if request.method not in ("GET", "HEAD", "POST"):
        raise _Refusal(405, f"{request.method} is not allowed here")
    if request.method == "POST":
        media_type = (request.one("content-type") or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise _Refusal(415, "only application/json can be posted here")
    elif request.path == _GRAPHQL and any(name != TOKEN_PARAMETER for name, _ in request.query):
        raise _Refusal(405, "GraphQL requires POST here, not the URL")


def _cookies(headers: Iterable[str], name: str) -> list[str]:
    """All cookies of that name: one of another path may come first."""
    pairs = (pair.strip().partition("=") for header in headers for pair in header.split(";"))
    return [value for key, _, value in pairs if key == name]


def _refusal_page(request: _Request, refusal: _Refusal) -> Response:
    if not any("text/html" in value for value in request.all("accept")):
        return PlainTextResponse(f"{refusal.reason}\n", refusal.status)
    reason = re.sub("`(.+?)`", r"<code>\1</code>", html.escape(refusal.reason[0].upper() + refusal.reason[1:]))
    link = "" if refusal.link is None else f'<p><a href="{html.escape(refusal.link)}">Open it here</a></p>'
    return HTMLResponse(_PAGE.format(head="", body=f"<p>{reason}.</p>{link}"), refusal.status)


def _with_headers(send: Send, request: _Request) -> Send:
    """Add headers with which no other site can show or read an answer, or learn its URL."""
    frame, ancestors = ("SAMEORIGIN", "'self'") if request.path in _FRAMED_BY_OWN_PAGES else ("DENY", "'none'")

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = frame
            # In addition to a policy of the application: both apply.
            headers.append("Content-Security-Policy", f"frame-ancestors {ancestors}")
            headers["Referrer-Policy"] = "same-origin"
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            if request.token is not None:
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cache-Control"] = "no-store"
            elif request.path.startswith(_HASHED_FILES) and message["status"] == 200:
                # Else a browser asks for each of a hundred scripts again, and compiles it again.
                headers["Cache-Control"] = "private, max-age=31536000, immutable"
        await send(message)

    return send_with_headers

"""What stands before every page: who may ask, from where, how much, and what a page may load.

Sources: OWASP Cheat Sheet Series, "Cross-Site Request Forgery Prevention" (origin and token),
"Content Security Policy", and "HTTP Headers"; W3C Fetch Metadata, https://www.w3.org/TR/fetch-metadata/.
"""

import asyncio
import functools
import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "xraygan_studio"
"""How the names of cookies begin; see `Access.cookie`."""
MOST_BODY_BYTES = 64 * 1024
MOST_QUERY_BYTES = 2048
MOST_FIELDS = 50
MOST_SESSIONS = 1000
LEAST_TOKEN = 16
WRONG_TOKEN_WAIT_S = 0.5
OPEN_PATHS = ("/login", "/static/")
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""Of the report, which carries its pictures and its style in itself, and no script."""
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: that would make the Origin of a form "null".
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Access:
    """Who may ask.

    Attributes:
        host: the address that the server listens on.
        token: what has to be shown once; None where only this machine can ask.
    """

    host: str
    token: str | None = None
    _sessions: dict[str, None] = field(default_factory=dict)
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def cookie(self) -> str:
        """The session's cookie, of this server alone: browsers tell no ports of a host apart."""
        return f"{COOKIE}_{hashlib.sha256(self._secret).hexdigest()[:12]}"

    def knows_host(self, name: str | None) -> bool:
        """Whether a Host header is one of ours: a foreign name is a rebound one.

        An address in figures cannot be rebound; a name can, unless it is this machine's.
        """
        try:
            parts = urlsplit(f"//{name}")
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.username is not None:
            return False
        if host in ("localhost", self.host.lower()) or is_loopback(host):
            return True
        if is_loopback(self.host):
            return False
        return host in own_names() or _is_address(host)

    def log_in(self, token: str) -> str | None:
        """A new session for the right token; None for a wrong one."""
        if self.token is None or not _same(token, self.token):
            return None
        session = secrets.token_urlsafe(32)
        self._sessions[session] = None
        while len(self._sessions) > MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        return session

    def admits(self, session: str) -> bool:
        """Whether a session may see the pages."""
        return self.token is None or any(_same(session, known) for known in self._sessions)

    def form_token(self, session: str) -> str:
        """What every form of a session carries, and nobody else can know."""
        return hmac.new(self._secret, session.encode(), hashlib.sha256).hexdigest()

    def is_own_form(self, session: str, given: str) -> bool:
        """Whether a form was made for this session."""
        return _same(given, self.form_token(session))


class Guard:
    """Middleware that answers what must not reach the pages.

    It reads a form's fields into `scope["state"]["form"]`, and puts the session's own token
    for forms into `scope["state"]["form_token"]`.

    Args:
        app: what comes behind.
        access: who may ask.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        answer = await self._refusal(scope, receive)
        await (answer or self._app)(scope, receive, _with_headers(send))

    async def _refusal(self, scope: Scope, receive: Receive) -> Response | None:
        headers = Headers(scope=scope)
        method, path = scope["method"], scope["path"]
        if not self._access.knows_host(headers.get("host")):
            return _refused(
                "this address is not the studio's: open the one it printed, or start it with "
                "--host and this name (a container: with docker run --hostname)",
                421,
            )
        if method not in ("GET", "HEAD", "POST"):
            return _refused("only GET, HEAD and POST are answered", 405)
        if len(scope["query_string"]) > MOST_QUERY_BYTES:
            return _refused(f"the address is longer than {MOST_QUERY_BYTES:,} bytes", 414)
        if _is_from_elsewhere(headers, method):
            return _refused("asked for by another site", 403)
        session = cookie_parser(headers.get("cookie", "")).get(self._access.cookie, "")
        state = scope.setdefault("state", {})
        state["form_token"] = self._access.form_token(session)
        state["form"] = {}
        if not self._access.admits(session) and not path.startswith(OPEN_PATHS):
            if method == "POST":
                return _refused("sign in first: the session has ended", 401)
            return RedirectResponse("/login", 303)
        if method == "POST":
            return await self._check_form(scope, receive, headers, session)
        return None

    async def _check_form(
        self, scope: Scope, receive: Receive, headers: Headers, session: str
    ) -> Response | None:
        if headers.get("origin") != f"{scope['scheme']}://{headers['host']}":
            return _refused("a form of another site", 403)
        if headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
            return _refused("a form was expected", 415)
        body = await _body(receive)
        if body is None:
            return _refused(f"a form of more than {MOST_BODY_BYTES:,} bytes", 413)
        try:
            fields = dict(parse_qsl(body.decode(), max_num_fields=MOST_FIELDS))
        except ValueError:
            return _refused("not a form", 400)
        if not self._access.is_own_form(session, fields.pop("form_token", "")):
            return _refused("an old form: load the page again", 403)
        scope["state"]["form"] = fields
        return None


async def log_in(access: Access, fields: Mapping[str, str], secure: bool) -> Response | None:
    """Answer a token: a session in a cookie, or None after a while where it is wrong."""
    session = access.log_in(fields.get("token", ""))
    if session is None:
        await asyncio.sleep(WRONG_TOKEN_WAIT_S)
        return None
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        access.cookie, session, path="/", httponly=True, samesite="strict", secure=secure
    )
    return answer


def _same(given: str, wanted: str) -> bool:
    """Comparison in a time that tells nothing."""
    digests = [hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, wanted)]
    return hmac.compare_digest(*digests)


@functools.cache
def own_names() -> frozenset[str]:
    """What this machine is called, short and in full; the first time it may ask the network."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return frozenset({name, short, f"{short}.local", socket.getfqdn().lower()})


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_from_elsewhere(headers: Headers, method: str) -> bool:
    """Whether another site's page asks: only a link that is followed may come from there."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    return not (method == "GET" and headers.get("sec-fetch-mode") == "navigate")


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None as soon as it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _refused(why: str, status: int) -> Response:
    return PlainTextResponse(f"xraygan studio: {why}\n", status)

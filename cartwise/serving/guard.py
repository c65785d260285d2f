"""The gate before every route: who asks, how often, and how large a body may be.

It stands before routing and parsing, so nothing is done for a stranger, and a route that nobody
thought about is closed: a path that is neither open nor has a scope is not passed on at all.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from cartwise.serving.keys import Key, Keyring, Scope
from cartwise.serving.problems import Refusal, later, problem_of
from cartwise.serving.rates import Buckets, Rate

SCHEME: Final = "Bearer"
OPEN: Final = frozenset({"/healthz", "/readyz", "/openapi.json", "/docs"})
"""Paths that need no key."""


DEFAULT_RATE: Final = Rate(per_second=2000.0, burst=4000)


@dataclass(frozen=True)
class Limits:
    """What one server takes on. ``requests`` may be in work at a time, others are refused."""

    body_bytes: int = 1_000_000
    body_seconds: float = 10.0
    requests: int = 512
    rate: Rate = DEFAULT_RATE


Charge = Callable[[int], None]


class Guard:
    """An ASGI application that lets through to ``app`` what may pass.

    ``scopes`` tells the scope that each path needs; ``keyring`` gives the keys of the moment, or
    None where everybody may ask everything.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        scopes: Mapping[str, Scope],
        keyring: Callable[[], Keyring | None],
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._app = app
        self._scopes = scopes
        self._keyring = keyring
        self._limits = limits
        self._buckets = Buckets(limits.rate, clock)
        self._in_work = 0

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer or pass on one request; other kinds of connections pass."""
        if connection["type"] != "http" or connection["path"] in OPEN:
            await self._app(connection, receive, send)
            return
        try:
            connection[_CHARGE] = self._admit(connection)
            self._in_work += 1
            try:
                body = await self._body(connection, receive)
                await self._app(connection, _replay(body, receive), send)
            finally:
                self._in_work -= 1
        except Refusal as refusal:
            await problem_of(refusal)(connection, receive, send)

    def _admit(self, connection: Connection) -> Charge:
        """How to charge this client for more; raises Refusal unless it may ask this, now."""
        keyring, charging = self._keyring(), _for_nothing
        if keyring is not None:
            key = _identify(Request(connection), keyring)
            self._require_scope(key, connection["path"])
            _require_no_wait(self._buckets.wait_seconds(key.id))
            charging = partial(self._charge, key)
        else:
            _require_own_name(Request(connection))
        if self._in_work >= self._limits.requests:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests are in work", 1)
        return charging

    def _charge(self, key: Key, tokens: int) -> None:
        _require_no_wait(self._buckets.charge(key.id, tokens))

    def _require_scope(self, key: Key, path: str) -> None:
        scope = self._scopes.get(path)
        if scope is None:
            # The router is laxer about what a path is: to it, a line end after one changes nothing.
            raise Refusal(HTTPStatus.NOT_FOUND, HTTPStatus.NOT_FOUND.phrase)
        if scope not in key.scopes:
            raise Refusal(HTTPStatus.FORBIDDEN, f"this key lacks the scope '{scope}'")

    async def _body(self, connection: Connection, receive: Receive) -> bytes:
        """The whole body; raises Refusal where it is too large or too slow."""
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await self._read(connection, receive)
        except TimeoutError:
            detail = "the body did not arrive in time"
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, detail, _CLOSE) from None

    async def _read(self, connection: Connection, receive: Receive) -> bytes:
        self._require_size(_announced_bytes(connection))
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            self._require_size(len(body))
            more = message.get("more_body", False)
        _require_utf8(body)
        return body

    def _require_size(self, size_bytes: int) -> None:
        limit = self._limits.body_bytes
        if size_bytes > limit:
            detail = f"a body may have at most {limit} bytes"
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, _CLOSE)


def charge(request: Request, tokens: int) -> None:
    """Let the key that asks pay for more than the one token of each request.

    Raises Refusal where others that it asked at the same time have taken more than there was.
    """
    request.scope[_CHARGE](tokens)


def _require_no_wait(seconds: float) -> None:
    if seconds:
        raise later(HTTPStatus.TOO_MANY_REQUESTS, "this key asks too often", seconds)


def _for_nothing(_tokens: int) -> None:
    """Without keys nobody pays."""


_CHARGE: Final = "cartwise.charge"
"""Where a connection holds how to charge the key that asks."""

_OWN_NAME: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")

_CLOSE: Final = {"Connection": "close"}
"""What is left of such a body will not be read, so the connection cannot be used again."""


def _identify(request: Request, keyring: Keyring) -> Key:
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    key = keyring.find(presented.strip()) if scheme.lower() == SCHEME.lower() else None
    if key is None:
        detail = f"send a valid key: 'Authorization: {SCHEME} cw_…'"
        raise Refusal(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": SCHEME} | _CLOSE)
    return key


def _require_own_name(request: Request) -> None:
    """Without keys, a page somewhere could ask in the name of who looks at it (DNS rebinding)."""
    if not _OWN_NAME.fullmatch(request.headers.get("host", "")):
        detail = "without keys this server answers to the names of its own machine: ask 127.0.0.1"
        raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, detail)


def _require_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        detail = f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}"
        raise Refusal(HTTPStatus.BAD_REQUEST, detail) from None


def _announced_bytes(connection: Connection) -> int:
    announced = dict(connection["headers"]).get(b"content-length", b"0")
    return int(announced) if announced.isdigit() else 0


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body in one piece, and after it whatever else the client does."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay

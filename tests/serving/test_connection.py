"""What a stranger may send before anybody looks at a key."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from cartwise.serving import connection
from cartwise.serving.connection import HEAD_BYTES, Connection

REQUEST = b"POST / HTTP/1.1\r\nHost: shop\r\n"


async def app(_scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(length).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def connected() -> Iterator[socket.socket]:
    """A client of a server with our connections."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        options: dict[str, Any] = {"http": Connection, "ws": "none", "lifespan": "off"}
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            with socket.create_connection(listening.getsockname(), timeout=20) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


def answer_to(client: socket.socket, pieces: Iterator[bytes]) -> bytes:
    """Send until all is sent or the other side closes; all that it answers, to its end."""
    told = b""
    try:
        for piece in pieces:
            client.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        while piece := client.recv(65_536):
            told += piece
    except ConnectionResetError:
        pass
    return told


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (REQUEST, b"X: " + b"a" * 1000 + b"\r\n"),
        (REQUEST + b"X: ", b"a" * 1000),
        (b"GET /", b"a" * 1000),
        (REQUEST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + b"a" * 1000 + b"\r\n"),
    ],
    ids=["many headers", "a long header", "a long path", "trailers"],
)
def test_a_head_without_end_is_cut_off(start: bytes, more: bytes) -> None:
    sent = 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        yield start
        while sent < 100 * HEAD_BYTES:
            yield more
            sent += len(more)

    with connected() as client:
        answer_to(client, pieces())
    assert sent < 100 * HEAD_BYTES


@pytest.mark.parametrize("sent", [b"", REQUEST])
def test_a_head_that_does_not_come_is_not_waited_for(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.05)
    with connected() as client:
        assert answer_to(client, iter([sent])) == b""


def test_bodies_larger_than_a_head_pass_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.05)
    length = 10 * HEAD_BYTES
    with connected() as client:
        for _ in range(3):
            client.sendall(REQUEST + b"Content-Length: %d\r\n\r\n" % length)
            time.sleep(0.1)
            client.sendall(b"a" * length)
            told = b""
            while str(length).encode() not in told:
                told += client.recv(65_536)
            assert told.startswith(b"HTTP/1.1 200")

"""A connection as uvicorn serves it, with a limit on what a stranger may send before any answer.

Neither uvicorn nor its parser limits the head of a request, in size or in time; the guard sees a
request only after it.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES: Final = 65_536
HEAD_SECONDS: Final = 10.0

_STATUS: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
_TOO_LARGE: Final = (
    f"HTTP/1.1 {_STATUS.value} {_STATUS.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Connection(HttpToolsProtocol):
    """Closes where a head, or what follows a body, is larger or slower than any honest one."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._unused_bytes = 0
        self._used = False
        self._overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """A head is whole: the guard decides about the rest."""
        self._used = True
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body; the guard limits it."""
        self._used = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._used = True
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Count what is neither a whole head nor body, and close where it is too much."""
        self._used = False
        super().data_received(data)
        self._unused_bytes = 0 if self._used else self._unused_bytes + len(data)
        if self._unused_bytes > HEAD_BYTES:
            self._refuse()
        elif self._unused_bytes and self._overdue is None:
            self._wait_for_head()

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_TOO_LARGE.encode())
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._overdue = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

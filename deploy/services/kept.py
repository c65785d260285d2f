"""What a server keeps from one start to the next: ports, ids and secrets, in a private file."""

import json
import secrets
import socket
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

# Below the ports from which systems open connections: nothing else takes a port between a kill and
# the next start, and no client connects to itself while it waits for the server.
_PORTS: Final = range(20_000, 32_000)


class Kept:
    """Values by name, each made once. The file is readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._values:
            self.put(name, make())
        return self._values[name]

    def put(self, name: str, value: str) -> None:
        self._values[name] = value
        write_private(self._path, json.dumps(self._values, indent=2))

    def secret(self, name: str) -> str:
        return self.get(name, lambda: secrets.token_hex(24))

    def port(self, name: str = "port") -> int:
        return int(self.get(name, self._another_port))

    def _another_port(self) -> str:
        """A free port that is not kept already for something that does not listen yet."""
        ports = (str(free_port()) for _ in count())
        return next(port for port in ports if port not in self._values.values())

    def renew_taken_ports(self) -> None:
        """Choose others in place of ports at which somebody listens; call before a start."""
        for name, value in [*self._values.items()]:
            if name.endswith("port") and not _is_free(int(value)):
                self.put(name, self._another_port())


def free_port() -> int:
    """A random port of 127.0.0.1 at which nobody listens."""
    return next(port for port in iter(lambda: secrets.choice(_PORTS), None) if _is_free(port))


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody but its owner may read, at no moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        # A server's last connections linger for a minute after its end: they do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

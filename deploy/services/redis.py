"""Redis: the online store."""

import re
import socket
import subprocess
from pathlib import Path
from typing import Final, Literal

from deploy.services.kept import write_private
from deploy.services.server import Server, Unavailable, program

_REMEDY: Final = "get Redis 7 or newer (Debian and Ubuntu: apt install redis-server)"

Fsync = Literal["always", "everysec", "no"]


class Redis(Server):
    """One Redis with an append-only file; ``appendfsync`` says how often that reaches the disk."""

    name = "redis"

    def __init__(self, folder: Path, appendfsync: Fsync = "everysec") -> None:
        super().__init__(folder)
        self._appendfsync = appendfsync

    @property
    def url(self) -> str:
        return f"redis://:{self.kept.secret('password')}@127.0.0.1:{self.kept.port()}/0"

    def prepare(self) -> None:
        _require_version_7(program("redis-server", _REMEDY))
        (self.folder / "data").mkdir(exist_ok=True)
        write_private(self._configuration, self._options())

    def command(self) -> list[str]:
        return [program("redis-server", _REMEDY), str(self._configuration)]

    def answers(self) -> bool:
        # While it still reads its file it answers -LOADING.
        request = f"AUTH {self.kept.secret('password')}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.kept.port()), timeout=1) as connection:
                connection.sendall(request)
                with connection.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False

    def addresses(self) -> dict[str, str]:
        return {"CARTWISE_STORE_URL": self.url}

    @property
    def _configuration(self) -> Path:
        return self.folder / "redis.conf"

    def _options(self) -> str:
        return f"""\
bind 127.0.0.1
port {self.kept.port()}
requirepass {self.kept.secret("password")}
dir "{self.folder / "data"}"
appendonly yes
appendfsync {self._appendfsync}
save ""
"""


def _require_version_7(path: str) -> None:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"v=(\d+)", told)
    if not version or int(version[1]) < 7:
        raise Unavailable(f"{path} is too old ({told.strip()}): {_REMEDY}")

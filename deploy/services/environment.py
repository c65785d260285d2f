"""``.services.env``: where the servers are found, as variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.services.kept import write_private

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / ".services"
FILE: Final = ROOT / ".services.env"


def read(path: Path = FILE) -> dict[str, str]:
    """Name and value of each variable; nothing where the file is not there."""
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", maxsplit=1) for line in lines if "=" in line)


def write(addresses: Mapping[str, str], path: Path = FILE) -> None:
    """Put the variables in place of those of old, for ``set -a; . ./.services.env``."""
    write_private(path, "".join(f"{name}={value}\n" for name, value in addresses.items()))

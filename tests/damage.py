"""Files that change without anybody having meant it."""

from pathlib import Path


def flip_bit(file: Path, place: int) -> None:
    """Turn one bit around; ``place`` may count from the end."""
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)

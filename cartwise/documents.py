"""JSON documents that Cartwise wrote and reads back: as they must be, or a sentence about it."""

from pathlib import Path
from typing import TypeVar

import msgspec

from cartwise.disk import readable
from cartwise.errors import InputError

Kind = TypeVar("Kind")


def read_document(file: Path, kind: type[Kind], remedy: str) -> Kind:
    """The document in a file as what it must be, such as a dataclass or ``dict[str, str]``.

    A dataclass may refuse its values by a ValueError in ``__post_init__``; what it has no field for
    is ignored.

    Raises:
        InputError: the file cannot be read or holds something else; ``remedy`` says what to do.
    """
    with readable(file, remedy):
        content = file.read_bytes()
    return parse_document(content, kind, file, remedy)


def parse_document(content: bytes, kind: type[Kind], name: object, remedy: str) -> Kind:
    """:func:`read_document` where the content is at hand; ``name`` is told instead of the file.

    Raises:
        InputError: it holds something else.
    """
    try:
        content.decode()
        return msgspec.json.decode(content, type=kind)
    except UnicodeDecodeError as error:
        reason = f"its byte {error.start:,} is not UTF-8"
    except msgspec.MsgspecError as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    raise InputError(f"{name} is damaged ({reason}): {remedy}")

"""Pieces of HTML that several tabs show; whatever came from outside is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from cartwise.errors import CartwiseError

PROSE: Final = frozenset({"product", "detail", "what", "such as", "accepted"})


def error(problem: CartwiseError) -> str:
    """What went wrong, for a person."""
    return f'<p class="cw-error" role="alert">{escape(str(problem))}</p>'


def warning(text: str) -> str:
    """What a person should know before they believe what follows."""
    return f'<p class="cw-error" role="note">{escape(text)}</p>'


def note(text: str) -> str:
    """A remark."""
    return f'<p class="cw-note">{escape(text)}</p>'


def tag(text: str, kind: str) -> str:
    """A word in a frame; ``kind`` is "for", "against" or "other"."""
    return f'<span class="cw-tag cw-{kind}">{escape(text)}</span>'


def bar(share: float) -> str:
    """A share (0 to 1) as a number with a bar."""
    return f'<span class="cw-bar" style="width:{share * 5:.2f}rem"></span> {share:.1%}'


def figures(facts: Iterable[tuple[str, str]]) -> str:
    """Names with their figures, side by side."""
    pairs = (f"<div><dt>{escape(n)}</dt><dd>{escape(value)}</dd></div>" for n, value in facts)
    return f'<dl class="cw-figures">{"".join(pairs)}</dl>'


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are HTML already, and on a phone each names its column.

    Cells of the columns in ``PROSE`` may be long, and wrap.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows)
    return (
        f'<table class="cw-table" aria-label="{escape(caption)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(columns: Sequence[str], row: Sequence[str]) -> str:
    return "".join(_cell(name, cell) for name, cell in zip(columns, row, strict=True))


def _cell(name: str, cell: str) -> str:
    kind = ' class="cw-prose"' if name in PROSE else ""
    return f'<td data-name="{escape(name)}"{kind}><span>{cell}</span></td>'

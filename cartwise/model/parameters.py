"""``params.yaml``: hyper-parameters of the booster, and the space that tuning searches."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import yaml

from cartwise.disk import readable
from cartwise.errors import InputError
from cartwise.model.boosting import Boosting

_KINDS: Final[Mapping[str, type]] = {
    one.name: type(getattr(Boosting(), one.name)) for one in fields(Boosting)
}


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``, both included; on a ``log`` scale doubling counts like doubling."""

    low: float
    high: float
    log: bool = False


SPACE: Final[Mapping[str, Range]] = {
    "learning_rate": Range(0.02, 0.15, log=True),
    "depth": Range(2, 7),
    "min_child_weight": Range(5.0, 100.0, log=True),
    "row_share": Range(0.5, 1.0),
    "column_share": Range(0.1, 0.6),
    "l2": Range(0.5, 50.0, log=True),
}
"""What is searched unless a file says otherwise."""


@dataclass(frozen=True)
class Parameters:
    """What a file sets; without one, the defaults."""

    boosting: Boosting = field(default_factory=Boosting)
    space: Mapping[str, Range] = field(default_factory=lambda: SPACE)


def is_whole(name: str) -> bool:
    """Whether a hyper-parameter is a whole number."""
    return _KINDS[name] is int


def read_parameters(path: Path) -> Parameters:
    """Read the sections ``boosting`` and ``tuning.space``; other sections are left to others.

    Raises:
        InputError: the file cannot be read, or sets what the booster does not have.
    """
    with readable(path, "write it anew"):
        text = path.read_text(encoding="utf-8")
    try:
        document = yaml.safe_load(text) or {}
        boosting = document.get("boosting") or {}
        space = (document.get("tuning") or {}).get("space") or {}
        _refuse_unknown(path, boosting, _KINDS)
        # Tuning finds the depth itself: it alone is tried.
        _refuse_unknown(path, space, _KINDS.keys() - {"shallowest"})
        return Parameters(
            _boosting(boosting),
            {name: _range(name, bounds) for name, bounds in space.items()} or SPACE,
        )
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the parameters in '{path}' are not as in the documentation ({error}): correct them"
        ) from error


def _refuse_unknown(path: Path, given: Mapping[str, Any], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise InputError(
                f"'{path}' sets '{name}', which is none of: {', '.join(sorted(known))}"
            )


def _boosting(given: Mapping[str, Any]) -> Boosting:
    found = replace(Boosting(), **{name: _KINDS[name](value) for name, value in given.items()})
    for name in ("depth", "shallowest"):
        if getattr(found, name) < 1:
            raise ValueError(f"{name} is {getattr(found, name)}: trees have a depth of at least 1")
    return found


def _range(name: str, bounds: Mapping[str, Any]) -> Range:
    found = Range(float(bounds["low"]), float(bounds["high"]), bool(bounds.get("log", False)))
    if not found.low <= found.high:
        raise ValueError(f"the range of {name} ends before it begins")
    return found

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
    "depth": Range(2.0, 7.0),
    "min_child_weight": Range(5.0, 100.0, log=True),
    "row_share": Range(0.5, 1.0),
    "column_share": Range(0.1, 0.6),
    "l2": Range(0.5, 50.0, log=True),
}
"""What is searched unless a file says otherwise."""

LIMITS: Final[Mapping[str, Range]] = {
    "learning_rate": Range(0.0001, 1.0),
    # XGBoost takes 0 for no limit.
    "depth": Range(1, 20),
    "shallowest": Range(1, 20),
    "min_child_weight": Range(0.0, 1e6),
    "row_share": Range(0.01, 1.0),
    "column_share": Range(0.01, 1.0),
    "l2": Range(0.0, 1e6),
    "bins": Range(2, 65_536),
    "rounds": Range(1, 100_000),
    "patience": Range(1, 100_000),
}
"""The least and the largest value that a file may set."""


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
    values: dict[str, Any] = {name: _value(name, value) for name, value in given.items()}
    return replace(Boosting(), **values)


def _range(name: str, bounds: Mapping[str, Any]) -> Range:
    low, high = (float(_value(name, bounds[end])) for end in ("low", "high"))
    found = Range(low, high, bool(bounds.get("log", False)))
    if low > high:
        raise ValueError(f"the range of {name} ends before it begins")
    if found.log and not low:
        raise ValueError(f"the range of {name} begins at 0, which no log scale holds")
    return found


def _value(name: str, given: Any) -> float:
    number, limits = float(given), LIMITS[name]
    if not limits.low <= number <= limits.high or (is_whole(name) and not number.is_integer()):
        kind = "a whole number" if is_whole(name) else "a number"
        raise ValueError(
            f"{name} is {given}, and has to be {kind} from {limits.low:g} to {limits.high:g}"
        )
    return int(number) if is_whole(name) else number

"""What the gate was asked: every look at the same test carts is a try, and asking again is none.

A look is all that chance can answer differently: who was held against whom, on which carts, by
which draws and twins. Each is a tag of the version that was asked about, named by its content: the
same question has the same tag, and with it the number of the try that it was.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

TAG: Final = "gate_asked."

_TRY: Final = "try"
_MOSTLY: Final = 0.5


@dataclass(frozen=True)
class Ask:
    """One question to the gate about one version.

    Attributes:
        champion: the bundle that it was held against; empty: the base rate.
        training_set: digest of the training set whose test part is used.
        first: time of the first cart of the test, in ISO format.
        last: time of the last one.
        carts: how many there are.
        seed: of the paired bootstrap.
        draws: of the paired bootstrap.
        twins: how many tell the luck of a seed.
    """

    champion: str
    training_set: str
    first: str
    last: str
    carts: int
    seed: int
    draws: int
    twins: int

    @property
    def tag(self) -> str:
        """Name of the tag that keeps it: equal for equal questions."""
        told = json.dumps(asdict(self), sort_keys=True)
        return f"{TAG}{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    def kept(self, try_number: int) -> dict[str, str]:
        """The tag that keeps it."""
        return {self.tag: json.dumps({_TRY: try_number, **asdict(self)})}

    def try_number(self, own: Mapping[str, str], others: Iterable[Mapping[str, str]]) -> int:
        """Which try on these carts it is, by the tags of its version and of all ``others``.

        Asked before, it is the try that it was; else one more than all that were asked on mostly
        the same carts, about whatever version.
        """
        if self.tag in own:
            return int(json.loads(own[self.tag])[_TRY])
        earlier = (ask for tags in (own, *others) for ask in _all(tags))
        return 1 + sum(self._overlap(ask) > _MOSTLY for ask in earlier)

    def _overlap(self, earlier: Mapping[str, Any]) -> float:
        """The share of its span of time that an earlier one covered."""
        start, end = datetime.fromisoformat(self.first), datetime.fromisoformat(self.last)
        begun, ended = (datetime.fromisoformat(earlier[name]) for name in ("first", "last"))
        return _seconds(max(begun, start), min(ended, end)) / _seconds(start, end)


def _seconds(first: datetime, last: datetime) -> float:
    """Both included: the log's times are whole seconds."""
    return (last - first).total_seconds() + 1.0


def _all(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    return [json.loads(told) for name, told in tags.items() if name.startswith(TAG)]

"""Reasons for an answer: TreeSHAP on a thread of its own, a few at a time, never for long."""

import asyncio
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Final, NamedTuple

from cartwise.features.phrases import Phrases
from cartwise.model.explanation import Contributions
from cartwise.serving.problems import later
from cartwise.serving.schemas import Reason
from cartwise.serving.scorer import Scored

MOST_WAITING: Final = 16
TIMEOUT_SECONDS: Final = 2.0


class Explanation(NamedTuple):
    """Reasons, strongest first; they, ``base`` and ``rest`` add up to the log-odds of the cart."""

    reasons: list[Reason]
    base: float
    rest: float


class Explaining:
    """Explains scores in the words of the specification."""

    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases
        self._waiting = 0
        # One thread: XGBoost's boosters are not for several at the same time.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")

    async def explain(self, scored: Scored, count: int) -> Explanation:
        """The ``count`` strongest reasons, strongest first.

        Raises Refusal where too many wait for theirs, or it takes too long.
        """
        if self._waiting >= MOST_WAITING:
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, "too many explanations are in work", 1)
        self._waiting += 1
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._explain, scored, count
                )
        except TimeoutError:
            detail = "the explanation takes too long: ask again, or without one"
            raise later(HTTPStatus.SERVICE_UNAVAILABLE, detail, 1) from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the thread after what it does."""
        self._thread.shutdown(cancel_futures=True)

    def _explain(self, scored: Scored, count: int) -> Explanation:
        found = scored.model.explainer.contributions(scored.vector[None, :])
        values = dict(zip(found.names, scored.vector.tolist(), strict=True))
        reasons = [self._reason(found, place, values) for place in found.strongest(count)]
        told = sum(reason.contribution for reason in reasons)
        return Explanation(reasons, found.base, float(found.values[0].sum()) - told)

    def _reason(self, found: Contributions, place: int, values: Mapping[str, float]) -> Reason:
        name = found.names[place]
        value = values[name]
        return Reason(
            feature=name,
            text=self._phrases.say(name, values),
            value=None if math.isnan(value) else value,
            contribution=float(found.values[0, place]),
        )

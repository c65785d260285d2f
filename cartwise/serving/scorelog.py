"""Every answer is kept, for monitoring; keeping it never slows an answer.

Answers wait in a queue of bounded length for a thread of their own, which hands them to a sink in
batches. Where the sink cannot follow, or is away, the queue fills and answers are dropped: that is
counted and shown, never silent.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from cartwise import wire
from cartwise.folders import append_lines

LARGEST_BATCH: Final = 1000


class ScoreSink(Protocol):
    """Where scores are kept."""

    def write(self, scores: Sequence[wire.Score]) -> None:
        """Keep these, now; raises CartwiseError where that cannot be done."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Nowhere:
    """A sink that keeps nothing."""

    def write(self, scores: Sequence[wire.Score]) -> None:
        """Forget them."""

    def close(self) -> None:
        """There is nothing to let go of."""


class ScoreFiles:
    """A file of JSON lines for each day on which answers were given, in one folder."""

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now

    def write(self, scores: Sequence[wire.Score]) -> None:
        file = self._folder / f"scores-{self._now():%Y-%m-%d}.jsonl"
        append_lines(file, map(wire.encode, scores))

    def close(self) -> None:
        """Files are closed after every batch."""


@dataclass
class Tally:
    """What became of answers."""

    kept: int = 0
    dropped: int = 0
    failure: str | None = None


class ScoreLog:
    """The queue before a sink."""

    def __init__(self, sink: ScoreSink, *, length: int = 20_000, pause: float = 0.2) -> None:
        self._sink = sink
        self._length = length
        self._pause_seconds = pause
        self._queue: deque[wire.Score] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="score-log", daemon=True)
        self.tally = Tally()

    def start(self) -> None:
        """Begin to hand scores to the sink."""
        self._thread.start()

    def add(self, score: wire.Score) -> None:
        """Keep a score, soon; or drop it where too many are waiting."""
        if len(self._queue) >= self._length:
            self.tally.dropped += 1
        else:
            self._queue.append(score)

    def close(self, seconds: float) -> None:
        """Hand over what is left, for at most so long; what is left then counts as dropped."""
        self._ending.set()
        self._thread.join(seconds)
        self.tally.dropped += len(self._queue)
        self._sink.close()

    def _run(self) -> None:
        while not self._ending.wait(self._pause_seconds):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        """Hand over all that is waiting, until the sink fails."""
        while self._queue:
            batch = [self._queue[i] for i in range(min(len(self._queue), LARGEST_BATCH))]
            try:
                self._sink.write(batch)
            # Also what nobody expected: without this thread, nothing would be kept any more.
            except Exception as error:
                self.tally.failure = str(error) or type(error).__name__
                return
            self.tally.failure = None
            self.tally.kept += len(batch)
            for _ in batch:
                self._queue.popleft()

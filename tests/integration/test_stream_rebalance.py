"""Workers that come and go in good order while events keep coming: nothing is lost or doubled."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from cartwise import wire
from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import Store, open_store
from cartwise.wire import Event
from deploy.services.redis import Redis
from tests.integration.streams import Place, applied, handled, log, workers
from tests.serving.worlds import write_model
from tests.streaming.worlds import require_states

pytestmark = pytest.mark.integration

FEWEST, MOST, BACKLOG = 50_000, 300_000, 4000


class Sender(threading.Thread):
    """Keeps workers busy for as long as it is wanted, and with ``FEWEST`` events at least."""

    def __init__(self, place: Place, store: Store, events: Sequence[Event]) -> None:
        super().__init__(name="sender")
        self._place = place
        self._store = store
        self._events = events
        self.sent = 0
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.is_set() or self.sent < FEWEST:
            some = self._events[self.sent : self.sent + 2000]
            self._place.send(some)
            self.sent += len(some)
            while self.sent - handled(self._store) > BACKLOG and not self.enough.wait(0.05):
                pass
            self.enough.wait(0.1)


@contextmanager
def traffic(place: Place, store: Store, events: Sequence[Event]) -> Iterator[Sender]:
    sender = Sender(place, store, events)
    sender.start()
    try:
        yield sender
    finally:
        sender.enough.set()
        sender.join()


def first_carts(events: Sequence[Event]) -> set[str]:
    """Ids of the events that are to be scored."""
    carts = (event for event in events if event.event_type == "cart")
    first: dict[tuple[str | None, int], Event] = {}
    for cart in carts:
        first.setdefault((cart.user_session, cart.product_id), cart)
    return {wire.event_id(cart).hex() for cart in first.values()}


def test_a_worker_that_joins_and_one_that_leaves_under_load_lose_and_double_nothing(
    kafka_bootstrap: str, topic_prefix: str, own_redis: Redis, tmp_path: Path
) -> None:
    events, model = log(MOST, seed=14), write_model(tmp_path / "model")
    place = Place.made(kafka_bootstrap, topic_prefix, own_redis.url)
    store = open_store(place.store_url, SPECIFICATION)
    with workers(place, tmp_path, 1, "--model", str(model)) as ours:
        with traffic(place, store, events) as sender:
            ours.wait_for(lambda: ours.count("taken over") == 4 and applied(store) > 0)
            alone = applied(store)
            ours.start()
            ours.wait_for(lambda: ours.count("taken over") == 6)
            both = applied(store)
            ours.wait_for(lambda: applied(store) > both + 4000)
            assert ours.kill(signal.SIGTERM, which=1) == 0
            ours.wait_for(lambda: ours.count("taken over") == 8)
            left = applied(store)
            ours.wait_for(lambda: applied(store) > left)
        ours.wait_for(lambda: handled(store) == sender.sent)
        assert alone < both < left < len(events)
        sent = events[: sender.sent]
        require_states(store, sent)
        assert applied(store) == len(sent) >= FEWEST
        own_redis.kill()
        place.send(events[len(sent) : len(sent) + 10])
        ours.wait_for(lambda: ours.count("waiting") == 1)
        assert ours.kill(signal.SIGTERM) == 0
        assert ours.count("ended during trouble") == ours.count("ended") == 1
        assert "Redis cannot be reached" in ours.said
    assert not list(place.read(place.topics.dead_letters))
    scored = [score["event_id"] for score in place.read(place.topics.scores)]
    assert set(scored) == first_carts(sent)

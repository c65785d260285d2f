"""The stream on a real Kafka: topics, events in, states and scores out."""

from pathlib import Path

import pytest

from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_store
from cartwise.streaming.kafka import create_topics
from cartwise.streaming.topics import TopicSettings
from tests.commands import Commands
from tests.integration.streams import Place, Shell, applied
from tests.streaming.worlds import POISON, require_states, shop

pytestmark = pytest.mark.integration


@pytest.fixture
def place(kafka_bootstrap: str, topic_prefix: str, tmp_path: Path) -> Place:
    return Place.made(kafka_bootstrap, topic_prefix, f"sqlite:///{tmp_path}/states.db")


def test_topics_are_created_once(place: Place) -> None:
    assert create_topics(place.bootstrap, place.topics, TopicSettings()) == []


def test_events_of_a_topic_become_states_and_dead_letters(
    place: Place, cartwise: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = shop(1000)
    place.send(events, list(POISON.values()))
    Shell(cartwise, place, monkeypatch)("stream", "--drain")
    store = open_store(place.store_url, SPECIFICATION)
    require_states(store, events)
    assert applied(store) == 1000
    dead = list(place.read(place.topics.dead_letters))
    rules = [rule for letter in dead for rule in letter["rules"]]  # type: ignore[attr-defined]
    assert sorted(rules) == sorted(POISON)

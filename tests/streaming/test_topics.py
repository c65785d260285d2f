"""Topics are made so that nothing is lost where a broker can prevent it."""

from cartwise.streaming.topics import Topics, TopicSettings


def test_topics_are_named_by_their_prefix() -> None:
    assert Topics.of("shop") == ("shop.events", "shop.scores", "shop.dead-letters")


def test_a_copy_may_be_away_but_not_all_of_them() -> None:
    topics = Topics.of("shop")
    for replicas, needed in ((1, "1"), (2, "1"), (3, "2")):
        made = TopicSettings().configurations(topics, replicas)
        assert {settings["min.insync.replicas"] for settings in made.values()} == {needed}


def test_events_carry_the_time_of_their_arrival() -> None:
    made = TopicSettings(events_days=2).configurations(Topics.of("shop"), 1)["shop.events"]
    assert made["message.timestamp.type"] == "LogAppendTime"
    assert made["retention.ms"] == str(2 * 86_400_000)

"""Names are computed, fingerprints tell specifications apart, mistakes are refused."""

from dataclasses import replace

import pytest

from cartwise.features import spec
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.layout import plan_of
from cartwise.features.spec import Entity, Rate, Specification, Sum, seconds_of


def test_names_follow_from_entity_event_and_half_life() -> None:
    assert "product_purchase_7d" in SPECIFICATION.vector
    assert "user_product_view_7d" in SPECIFICATION.vector
    assert "product_purchase_per_cart_28d" in SPECIFICATION.vector


def test_every_change_changes_the_fingerprint() -> None:
    first, *others = SPECIFICATION.entities
    changed = [
        replace(SPECIFICATION, entities=(*others, first)),
        replace(SPECIFICATION, entities=(replace(first, half_lives=("1h",)), *others)),
        replace(SPECIFICATION, derived=SPECIFICATION.derived[1:]),
        replace(SPECIFICATION, unused=SPECIFICATION.unused | {"hour"}),
    ]
    prints = {specification.fingerprint for specification in (SPECIFICATION, *changed)}
    assert len(prints) == 5


@pytest.mark.parametrize(
    "name", ["TIME_TO_LIVE_HALF_LIVES", "LANDMARK_SECONDS", "LEAST_PRICE_WEIGHT", "FORMULAS"]
)
def test_every_constant_that_decides_a_number_changes_the_fingerprint(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = (Entity("shop", (), ("1d",)),)
    before = Specification(tiny, ()).fingerprint
    monkeypatch.setattr(spec, name, getattr(spec, name) * 2)
    assert Specification(tiny, ()).fingerprint != before


def test_rewording_a_meaning_changes_nothing() -> None:
    first, *others = SPECIFICATION.entities
    reworded = replace(SPECIFICATION, entities=(replace(first, meaning="all of it"), *others))
    assert reworded.fingerprint == SPECIFICATION.fingerprint


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    tiny = Specification((Entity("shop", (), ("1d",)),), ())
    assert tiny.fingerprint == "b09ae9fb55e779f6"


def test_two_values_of_one_name_are_refused() -> None:
    twice = (Sum("x", (("hour", 1.0),)), Sum("x", (("hour", 2.0),)))
    with pytest.raises(ValueError, match="two values are called x"):
        _ = Specification((), twice).values


def test_unused_must_name_a_value() -> None:
    with pytest.raises(ValueError, match="unused names no value"):
        _ = Specification((), (), frozenset({"nothing"})).vector


def test_a_half_life_must_divide_the_landmark_distance() -> None:
    with pytest.raises(ValueError, match="5d"):
        seconds_of("5d")


def test_an_unknown_operand_is_refused() -> None:
    rate = Rate("r", "no_such_value", "hour", 0.5, 1.0)
    with pytest.raises(KeyError, match="no_such_value"):
        plan_of(Specification((), (rate,)))

"""What a feature says of a cart, in words: made from the specification, as everything is.

"bought 3 of the last 4 carted by this user", not ``user_purchase_per_cart_28d = 0.71``; and where
many carts are looked at, "purchases per cart by this user (28 days)".
"""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from cartwise.events import EVENT_TYPES
from cartwise.features.remarks import REMARKS
from cartwise.features.spec import (
    Derived,
    Entity,
    LogRatio,
    Rate,
    Specification,
    Sum,
    seconds_of,
)
from cartwise.features.words import (
    DONE,
    NOUNS,
    count,
    duration,
    faded,
    fading,
    many,
    per,
    percent,
)

Values = Mapping[str, float]
Say = Callable[[Values], str]


class Phrase(NamedTuple):
    """What a feature is called, and what it says of a cart."""

    title: str
    say: Say


_WHOSE: Final = {
    "product_id": "of this product",
    "category_id": "in this category",
    "category_code": "in this kind of category",
    "brand": "of this brand",
    "user_id": "by this user",
    "user_session": "in this visit",
}
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Phrases:
    """The phrase of every value of a specification."""

    def __init__(self, specification: Specification) -> None:
        self._phrases = dict(_FACTS)
        self._counters: dict[str, tuple[Entity, str, str]] = {}
        for entity in specification.entities:
            self._add_readings(entity)
        self._derived = {derived.name: derived for derived in specification.derived}
        for derived in specification.derived:
            self._phrases[derived.name] = self._of(derived)

    def say(self, name: str, values: Values) -> str:
        """The phrase of the value ``name``; ``values`` may hold others that it speaks of."""
        return self._phrases[name].say(values)

    def title(self, name: str) -> str:
        """What the value ``name`` is called; of one that is not specified, its name in words."""
        return self._phrases[name].title if name in self._phrases else _words(name)

    def _add_readings(self, entity: Entity) -> None:
        for event in EVENT_TYPES:
            for half_life in entity.half_lives:
                name = entity.counter(event, half_life)
                self._counters[name] = (entity, event, half_life)
                self._phrases[name] = _counter(name, entity, event, half_life)
            ago = f"{entity.name}_{event}_seconds_ago"
            self._phrases[ago] = _recency(ago, entity, event)
            for price in entity.prices_of(event):
                mean = f"{entity.name}_{event}_log_price_{price.half_life}"
                self._phrases[mean] = _mean_price(mean, entity, event)

    def _of(self, derived: Derived) -> Phrase:
        if remark := REMARKS.get(derived.name):
            return Phrase(remark.title, lambda values: remark.say(values[derived.name]))
        match derived:
            case Rate():
                return self._rate(derived)
            case LogRatio():
                return self._ratio(derived)
            case Sum(_, (("log_price", 1.0), (mean, -1.0))):
                return _price_gap(derived.name, self._phrases[mean])
            case Sum(_, terms) if all(name in self._derived for name, _ in terms):
                return _share(derived.name)
        return _plain(derived.name)

    def _rate(self, rate: Rate) -> Phrase:
        if rate.hits not in self._counters or rate.trials not in self._counters:
            return _share(rate.name)
        entity, hit, half_life = self._counters[rate.hits]
        whole, trial, _ = self._counters[rate.trials]
        if hit == trial:
            return _part(rate, entity, whole, hit, half_life)
        return _conversion(rate, entity, hit, trial, half_life)

    def _ratio(self, ratio: LogRatio) -> Phrase:
        if ratio.over not in self._counters or ratio.under not in self._counters:
            return _plain(ratio.name)
        entity, event, over = self._counters[ratio.over]
        under = self._counters[ratio.under][2]
        what = f"{many(event)} {_whose(entity)}"

        def say(values: Values) -> str:
            value = values[ratio.name]
            if math.isnan(value):
                return f"no {what} yet"
            share = percent(math.exp(value))
            return f"{what} {_halving(over)} are {share} of those {_halving(under)}"

        return Phrase(f"{what}: {fading(over)} against {fading(under)}", say)


def _counter(name: str, entity: Entity, event: str, half_life: str) -> Phrase:
    def say(values: Values) -> str:
        told = faded(values[name], NOUNS[event])
        return f"{told} {_whose(entity)}, each {_halving(half_life)}"

    return Phrase(f"{many(event)} {_whose(entity)} {fading(half_life)}", say)


def _recency(name: str, entity: Entity, event: str) -> Phrase:
    what = f"{many(event)} {_whose(entity)}"

    def say(values: Values) -> str:
        value = values[name]
        return f"no {what} yet" if math.isnan(value) else f"latest of the {what}: {_ago(value)}"

    return Phrase(f"time since the last {NOUNS[event]} {_whose(entity)}", say)


def _mean_price(name: str, entity: Entity, event: str) -> Phrase:
    what = f"{many(event)} {_whose(entity)}"

    def say(values: Values) -> str:
        value = values.get(name, math.nan)
        usual = "an unknown price" if math.isnan(value) else f"{math.exp(value):.2f}"
        return f"usual price of {what}: {usual}"

    return Phrase(f"usual price of {what}", say)


def _conversion(rate: Rate, entity: Entity, hit: str, trial: str, half_life: str) -> Phrase:
    whose = _whose(entity)

    def say(values: Values) -> str:
        share = percent(values[rate.name])
        hits, trials = (_zero(values.get(name)) for name in (rate.hits, rate.trials))
        if round(trials) < 1:
            return f"hardly anything {DONE[trial]} {whose} of late: {share} to be expected"
        told = f"{DONE[hit]} {count(hits)} of the last {count(trials)} {DONE[trial]} {whose}"
        if hits > trials:
            told = f"{faded(hits, NOUNS[hit])} for {faded(trials, NOUNS[trial])} {whose}"
        return f"{told}, each {_halving(half_life)}: {share} to be expected"

    return Phrase(f"{per(hit, trial)} {whose} {fading(half_life)}", say)


def _part(rate: Rate, entity: Entity, whole: Entity, event: str, half_life: str) -> Phrase:
    of_all, part = f"{many(event)} {_whose(whole)}", _whose(entity, beyond=whole)

    def say(values: Values) -> str:
        return f"{percent(values[rate.name])} of the {of_all} are {part}"

    return Phrase(f"{of_all}: share {part} {fading(half_life)}", say)


def _price_gap(name: str, usual: Phrase) -> Phrase:
    def say(values: Values) -> str:
        gap = values[name]
        if math.isnan(gap):
            return f"the price cannot be compared; {usual.say({})}"
        side = "above" if gap >= 0 else "below"
        return f"the price is {percent(abs(math.expm1(gap)))} {side} the {usual.title}"

    return Phrase(f"price against that {usual.title.removeprefix('usual price ')}", say)


def _share(name: str) -> Phrase:
    return Phrase(_words(name), lambda values: f"{_words(name)}: {percent(values[name])}")


def _plain(name: str) -> Phrase:
    return Phrase(_words(name), lambda values: f"{_words(name)}: {count(values[name])}")


def _log_price(values: Values) -> str:
    value = values["log_price"]
    return "the price is unknown" if math.isnan(value) else f"the price is {math.exp(value):.2f}"


def _hour(values: Values) -> str:
    hour, minute = divmod(round(values["hour"] * 60) % 1440, 60)
    return f"it is {hour}:{minute:02} (UTC)"


def _weekday(values: Values) -> str:
    return f"it is a {_WEEKDAYS[int(values['weekday'])]}"


_FACTS: Final = {
    "log_price": Phrase("price", _log_price),
    "hour": Phrase("hour of the day (UTC)", _hour),
    "weekday": Phrase("day of the week", _weekday),
}


def _whose(entity: Entity, beyond: Entity | None = None) -> str:
    """Which events are of an entity: "of this product by this user"; but for what those of the
    wider one ``beyond`` are, too."""
    if not entity.key:
        return f"in {entity.meaning or entity.name}"
    told = beyond.key if beyond else ()
    known = [column for column in _WHOSE if column in entity.key and column not in told]
    return " ".join(_WHOSE[column] for column in known) or f"of the same {entity.name}"


def _halving(half_life: str) -> str:
    return f"counting half after {duration(seconds_of(half_life))}"


def _ago(seconds: float) -> str:
    return "just now" if seconds < 1 else f"{duration(seconds)} ago"


def _zero(value: float | None) -> float:
    return 0.0 if value is None or math.isnan(value) else value


def _words(name: str) -> str:
    return name.replace("_", " ")

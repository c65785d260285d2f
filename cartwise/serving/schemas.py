"""What clients send and get: the models that the API's documentation is made from."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from cartwise import wire
from cartwise.events import LONGEST_TEXT

MOST_CARTS: Final = 500
MOST_EVENTS: Final = 1000
MOST_REASONS: Final = 20

_LARGEST: Final = 2**63 - 1
_INT64: Final[dict[str, Any]] = {"ge": -(2**63), "le": _LARGEST, "strict": True}


def _require_time(text: str) -> str:
    seconds = wire.parse_time(text)
    if seconds is None or not wire.has_a_date(seconds):
        raise ValueError("this is no time: write 2019-10-01T12:00:00Z")
    return text


def _whole(number: object) -> object:
    # To JSON Schema, 7.0 is an integer. The double nearest to the largest one is one beyond it.
    if not isinstance(number, float) or not number.is_integer():
        return number
    return _LARGEST if number == float(_LARGEST) else int(number)


Time = Annotated[
    str,
    Field(strict=True),
    AfterValidator(_require_time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""ISO 8601, to the second; the form of the log, "2019-10-01 12:00:00 UTC", is understood, too."""

Int64 = Annotated[int, Field(**_INT64), BeforeValidator(_whole)]
Text = Annotated[str, Field(strict=True, max_length=LONGEST_TEXT)]
Money = Annotated[float, Field(strict=True, ge=0, le=1e15, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]

_CART: Final[dict[str, Any]] = {
    "event_time": "2019-10-01T12:00:00Z",
    "product_id": 1004856,
    "category_id": 2053013555631882655,
    "category_code": "electronics.smartphone",
    "brand": "samsung",
    "price": 128.42,
    "user_id": 520088904,
    "user_session": "4d3b30da-a5e4-49df-b1a8-ba5943f1dd33",
}


_RECKONED_PRICE: Final[Any] = Field(
    description="The price that the decision reckons with: the cart's own, or the reference price "
    "where that is unknown. 0: no price is known, and nothing can be said of a nudge."
)


class CartEvent(BaseModel):
    """A product that was just put into a cart: a row of the shop's log, without its type."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CART]})

    event_time: Time
    product_id: Int64
    price: Money = Field(
        description="0 means unknown: the decision then takes the reference price of the policy."
    )
    user_id: Int64
    category_id: Int64 | None = None
    category_code: Text | None = None
    brand: Text | None = None
    user_session: Text | None = None


class Event(CartEvent):
    """A row of the shop's log."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event_type": "view", **_CART}]})

    event_type: Literal["view", "cart", "remove_from_cart", "purchase"]


class Carts(BaseModel):
    """Carts to score, each by itself: they do not see one another."""

    carts: list[CartEvent] = Field(min_length=1, max_length=MOST_CARTS)


class Events(BaseModel):
    """Events in the order in which they happened."""

    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS)


class Accepted(BaseModel):
    """What became of events: those that keep the contract will be counted, soon."""

    accepted: int = Field(examples=[2])
    refused: list["RefusedEvent"] = []


class RefusedEvent(BaseModel):
    """An event that breaks rules of the data contract."""

    index: int = Field(description="Its place in the list that was sent, from 0.")
    rules: list[str] = Field(examples=[["event_time_in_range"]])


class Decision(BaseModel):
    """Whether a nudge pays, by the policy of the model."""

    nudge: bool
    expected_value: float = Field(
        description="What a nudge is expected to earn, its cost deducted, in the price's currency."
    )
    threshold: Probability = Field(
        description="Above it, a nudge pays at this price; 1 where no price is known."
    )
    reckoned_price: float = _RECKONED_PRICE


class FeaturesUsed(BaseModel):
    """What the answer rests on."""

    source: Literal["store", "request-only"] = Field(
        description="request-only: the store is away, so the history is missing; rates fall back "
        "to their priors."
    )
    age_seconds: float | None = Field(
        description="From the latest event that the store knows of this shop to the cart; "
        "negative if the store knows later ones, null if it knows none."
    )
    seen: bool = Field(description="Whether the store had seen this cart already.")


class Reason(BaseModel):
    """A feature's share in the answer."""

    feature: str = Field(examples=["user_cart_28d"])
    text: str = Field(examples=["2.5 carts by this user, each counting half after 28 days"])
    value: float | None = Field(description="Null where it is unknown.")
    contribution: float = Field(description="In log-odds, before calibration; above 0 speaks for.")


class Answer(BaseModel):
    """How likely a cart is to be bought, and what to do about it."""

    probability: Probability = Field(examples=[0.41])
    decision: Decision
    model_version: str = Field(examples=["1f0c9b7a52de"])
    features: FeaturesUsed
    reasons: list[Reason] | None = Field(default=None, description="The strongest, if asked for.")
    base: float | None = Field(
        default=None, description="With reasons: the log-odds of an average cart."
    )
    rest: float | None = Field(
        default=None, description="With reasons: what all other features contribute together."
    )


class Answers(BaseModel):
    """An answer per cart, in their order."""

    answers: list[Answer]


class RecentScore(BaseModel):
    """A cart that this process has scored."""

    cart: CartEvent
    probability: Probability
    nudge: bool
    expected_value: float
    reckoned_price: float = _RECKONED_PRICE
    model_version: str
    features: Literal["store", "request-only"]
    scored_at: datetime
    outcome: Literal["bought", "not bought", "open", "unknown"] = Field(
        description="open: the horizon is not over. unknown: the store is away, or cannot tell."
    )


class RecentScores(BaseModel):
    """The latest first."""

    scores: list[RecentScore]


class ModelFacts(BaseModel):
    """A model that this process has loaded."""

    model_config = ConfigDict(protected_namespaces=())

    version: str
    fingerprint: str = Field(description="Of the feature specification.")
    features: int = Field(description="Length of the vector.")
    horizon_seconds: int
    label_scope: str
    policy: dict[str, float]
    metrics: dict[str, Any] = Field(description="How it did on its test part.")
    source: str = Field(description="Where it was loaded from.")
    since: datetime


class Models(BaseModel):
    """The model that answers, one that is tried beside it, and those before."""

    champion: ModelFacts
    challenger: ModelFacts | None
    history: list["Change"]


class Change(BaseModel):
    """Something that happened to a model, the latest first."""

    at: datetime
    role: Literal["champion", "challenger"]
    version: str | None
    what: str = Field(examples=["loaded", "refused: it was altered"])


class Economics(BaseModel):
    """What a nudge costs and earns."""

    margin_share: float = Field(0.25, gt=0, le=1, strict=True, allow_inf_nan=False)
    nudge_cost: float = Field(1.0, ge=0, le=1e12, strict=True, allow_inf_nan=False)
    bought_anyway_share: float = Field(0.8, ge=0, lt=1, strict=True, allow_inf_nan=False)


class Earnings(BaseModel):
    """What nudging is expected to earn; values are money per 1,000 carts."""

    shares: list[Probability] = Field(
        description="Of the carts that are nudged, those with the highest expected value first."
    )
    value: list[float] = Field(description="At each of the shares.")
    best_share: Probability = Field(description="Of the carts whose nudge pays.")
    best_value: float = Field(description="Of nudging just these.")
    everyone_value: float = Field(description="Of nudging every cart.")
    bought_share: Probability = Field(
        description="Of the carts whose nudge pays, those that are expected to be bought."
    )


class WhatIf(BaseModel):
    """What nudging would earn over the carts that this process scored of late."""

    carts: int = Field(description="Those whose price is known, or told by the model's policy.")
    threshold: Probability = Field(description="At the reference price of the model's policy.")
    reference_price: float = Field(description="0: the model was trained without prices.")
    earnings: Earnings | None = Field(
        description="`null` before the first cart, and where no price is known."
    )


class Part(BaseModel):
    """Whether a part of the service does its work."""

    name: str = Field(examples=["store"])
    ok: bool


class Readiness(BaseModel):
    """`degraded` answers, with less; `unready` does not."""

    status: Literal["ready", "degraded", "unready"]
    parts: list[Part]


class State(Part):
    """How a part of the service is."""

    detail: str = Field(examples=["answers"])


class Status(Readiness):
    """Readiness with the reasons, which name hosts and folders."""

    parts: list[State]  # type: ignore[assignment]
    latest_event: Time | None = Field(
        default=None, description="Of the shop, as the store knows; null: of none, or it is away."
    )


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"

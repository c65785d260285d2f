"""The models that serve, and what their policy would earn."""

import asyncio
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from numpy.typing import NDArray

from cartwise.model import policy
from cartwise.model.bundle import CARD
from cartwise.serving.daemon_threads import in_daemon
from cartwise.serving.models import Model
from cartwise.serving.problems import Refusal
from cartwise.serving.schemas import Change, Earnings, Economics, ModelFacts, Models, WhatIf
from cartwise.serving.service import Service


class Markdown(PlainTextResponse):
    """A document in Markdown."""

    media_type = "text/markdown"


def model_routes(service: Service, report: Path | None) -> APIRouter:
    """Routes that tell of the models; ``report`` is an HTML file that names its model."""
    router = APIRouter(tags=["model"])

    @router.get("/v1/model", summary="The models of the moment")
    async def model() -> Models:
        """What answers, what is tried beside it, and what happened before."""
        return _models(service)

    @router.get("/v1/model/card", summary="The model card", response_class=Markdown)
    async def card() -> Response:
        """The champion's model card, in Markdown."""
        return Markdown(service.pair().champion.bundle.files[CARD])

    @router.get("/v1/model/report", summary="The report", response_class=HTMLResponse)
    async def shown() -> Response:
        """The report of the champion's evaluation, as one page of HTML."""
        if report is None or not report.is_file():
            detail = "this server has no report: 'cartwise evaluate' says how to give it one"
            raise Refusal(HTTPStatus.NOT_FOUND, detail)
        page = await asyncio.to_thread(report.read_bytes)
        if service.pair().champion.version.encode() not in page:
            detail = "the report that this server was given is of another model than the champion"
            raise Refusal(HTTPStatus.NOT_FOUND, detail)
        return HTMLResponse(page)

    @router.post("/v1/policy/what-if", summary="Try other economics")
    async def what_if(economics: Economics) -> WhatIf:
        """What nudging would earn over the carts that this process scored of late."""
        return _what_if(service, policy.Economics(**economics.model_dump()))

    return router


def refresh_routes(service: Service) -> APIRouter:
    """Routes that change which model serves."""
    router = APIRouter(tags=["model"])
    turn = asyncio.Lock()

    @router.post("/v1/model/refresh", summary="Look for newer models now")
    async def refresh() -> Models:
        """What the server does by itself from time to time."""
        # One at a time: while the registry is slow, threads are left for everything else.
        async with turn:
            await in_daemon(service.models.refresh)
        return _models(service)

    return router


def _models(service: Service) -> Models:
    champion, challenger = service.pair()
    return Models(
        champion=_facts(champion),
        challenger=_facts(challenger) if challenger else None,
        history=[Change(**change._asdict()) for change in list(service.models.history)],
    )


def _facts(model: Model) -> ModelFacts:
    spec = model.bundle.spec
    return ModelFacts(
        version=model.version,
        fingerprint=spec.fingerprint,
        features=len(spec.feature_names),
        horizon_seconds=spec.horizon_seconds,
        label_scope=spec.label_scope,
        policy=model.bundle.policy.to_json(),
        metrics=model.bundle.metrics,
        source=model.source,
        since=model.since,
    )


def _what_if(service: Service, economics: policy.Economics) -> WhatIf:
    carts = [scored for _, scored in list(service.recent)]
    asked = replace(service.pair().champion.bundle.policy, economics=economics)
    probability = np.array([scored.probability for scored in carts])
    price = asked.prices(np.array([scored.event.price for scored in carts]))
    known = price > 0.0
    return WhatIf(
        carts=int(known.sum()),
        threshold=asked.threshold,
        reference_price=asked.reference_price,
        earnings=_earnings(probability[known], price[known], economics),
    )


def _earnings(
    probability: NDArray[np.float64], price: NDArray[np.float64], economics: policy.Economics
) -> Earnings | None:
    if not len(price):
        return None
    return Earnings(**policy.what_if(probability, price, economics).to_json())

"""Errors as problem details (RFC 9457): every answer that is no success has this one form."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE: Final = "application/problem+json"
KIND: Final = "urn:cartwise:problem:"
_TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
"""RFC 9110's, which Python knows from 3.13 on."""

MOST_MISTAKES: Final = 100
"""So many are named: who sends more has made one mistake many times."""

_UNREADABLE_BODY: Final = "There was an error parsing the body"


class Mistake(BaseModel):
    """One thing that is wrong with a request."""

    pointer: str = Field(description="Where: a path into the body or the query.")
    detail: str = Field(description="What is wrong there.")


class Problem(BaseModel):
    """Why a request was not answered, for a program (`type`, `status`) and a person (`detail`)."""

    type: str = Field(examples=[f"{KIND}unauthorized"])
    title: str = Field(examples=["Unauthorized"])
    status: int = Field(ge=400, le=599, examples=[401])
    detail: str = Field(examples=["send a key: 'Authorization: Bearer cw_…'"])
    errors: list[Mistake] | None = None


class Refusal(HTTPException):
    """A request that will not be answered, and why."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)


def later(status: HTTPStatus, detail: str, seconds: float) -> Refusal:
    """A refusal that invites to come again after some seconds."""
    return Refusal(status, detail, {"Retry-After": str(max(1, math.ceil(seconds)))})


def problem_of(refusal: HTTPException) -> Response:
    """The answer to a request that is refused."""
    status = HTTPStatus(refusal.status_code)
    return _response(status, _detail(status, refusal.detail), headers=refusal.headers)


def describe_problems(statuses: Sequence[int]) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these statuses."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": _title(HTTPStatus(status)), "content": content}
        for status in statuses
    }


def answer_errors_with_problems(app: FastAPI) -> None:
    """Give every error that a route or the framework raises the form of a problem."""
    app.add_exception_handler(HTTPException, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_mistakes)
    app.add_exception_handler(Exception, _on_defect)


async def _on_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    return problem_of(error)


async def _on_mistakes(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - what it is registered for
    # The input itself is not repeated: it may be large, no valid JSON, or a secret.
    some = error.errors()[:MOST_MISTAKES]
    mistakes = [Mistake(pointer=_pointer(one["loc"]), detail=one["msg"]) for one in some]
    detail = "the request does not fit its schema"
    return _response(HTTPStatus.UNPROCESSABLE_ENTITY, detail, mistakes)


async def _on_defect(_request: Request, _error: Exception) -> Response:
    return _response(HTTPStatus.INTERNAL_SERVER_ERROR, "this is our mistake, and it was logged")


def _pointer(location: Sequence[str | int]) -> str:
    source, *path = location
    prefix = "#" if source == "body" else f"{source}:"
    return "/".join((prefix, *map(str, path)))


def _detail(status: HTTPStatus, detail: str) -> str:
    if detail == _UNREADABLE_BODY:
        return "the body is not JSON in UTF-8, or is nested too deeply"
    return status.description if detail == status.phrase and status.description else detail


def _title(status: HTTPStatus) -> str:
    return _TITLES.get(status, status.phrase)


def _response(
    status: HTTPStatus,
    detail: str,
    errors: list[Mistake] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    title = _title(status)
    problem = Problem(
        type=KIND + title.lower().replace(" ", "-"),
        title=title,
        status=status,
        detail=detail,
        errors=errors,
    )
    content = problem.model_dump_json(exclude_none=True)
    return Response(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)

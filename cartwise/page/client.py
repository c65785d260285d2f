"""The page's side of the API: every call, and what it says when it fails, in one place."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from cartwise.errors import ApiError
from cartwise.page.fields import label_of

TIMEOUT_SECONDS: Final = 5.0
MOST_CARTS: Final = 500
"""Carts that the API takes at a time."""

_TRIES: Final = 4
_LONGEST_WAIT_SECONDS: Final = 10.0

Facts = dict[str, Any]


class KeyRefused(ApiError):
    """The API does not know the key, misses one, or the key lacks a scope."""


class Away(ApiError):
    """The API does not answer: it may come back."""


class TooOften(ApiError):
    """The key's rate is used up; ``wait_seconds`` tell when to come again."""

    def __init__(self, told: str, wait_seconds: float) -> None:
        super().__init__(told)
        self.wait_seconds = wait_seconds


class Client:
    """Talks to one API with one key, which never reaches a browser."""

    def __init__(self, url: str, key: str | None, *, timeout_seconds: float = TIMEOUT_SECONDS):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = url
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=timeout_seconds, trust_env=False
        )

    def close(self) -> None:
        """Let go of all connections."""
        self._http.close()

    def score(self, cart: Mapping[str, Any], reasons: int, *, keep: bool = True) -> Facts:
        """The answer for one cart, with its strongest reasons; not kept where one only tries."""
        params: Facts = {"explain": reasons, "keep": keep}
        return self._json("POST", "/v1/score", json=dict(cart), params=params)

    def try_all(self, carts: Sequence[Mapping[str, Any]]) -> list[Facts]:
        """Answers for many carts, in their order; they are not kept."""
        answers: list[Facts] = []
        for start in range(0, len(carts), MOST_CARTS):
            part = [dict(cart) for cart in carts[start : start + MOST_CARTS]]
            answers += self._patiently("/v1/score/batch?keep=false", {"carts": part})["answers"]
        return answers

    def recent(self, limit: int) -> list[Facts]:
        """Carts that the API scored of late, the latest first."""
        scores: list[Facts] = self._json("GET", "/v1/scores/recent", params={"limit": limit})[
            "scores"
        ]
        return scores

    def models(self) -> Facts:
        """The models of the moment."""
        return self._json("GET", "/v1/model")

    def card(self) -> str:
        """The champion's model card, in Markdown."""
        return self._ask("GET", "/v1/model/card").text

    def report(self) -> str:
        """The report of the champion's evaluation, in HTML."""
        return self._ask("GET", "/v1/model/report").text

    def what_if(self, economics: Mapping[str, float]) -> Facts:
        """What nudging would earn under other economics."""
        return self._json("POST", "/v1/policy/what-if", json=dict(economics))

    def status(self) -> Facts:
        """How each part of the API's server is."""
        return self._json("GET", "/v1/status")

    def _patiently(self, path: str, body: Facts) -> Facts:
        """The answer to a part of something large, also where the key's rate lets it wait."""
        tries = _TRIES
        while True:
            try:
                return self._json("POST", path, json=body)
            except TooOften as told:
                tries -= 1
                if not tries or told.wait_seconds > _LONGEST_WAIT_SECONDS:
                    raise
                time.sleep(told.wait_seconds)

    def _json(self, method: str, path: str, **request: Any) -> Facts:
        answer: Facts = self._ask(method, path, **request).json()
        return answer

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise Away(
                f"the API at {self.url} does not answer: start it with 'cartwise serve', or wait "
                "for it to come back"
            ) from error
        if response.is_success:
            return response
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise TooOften(_told(response), float(response.headers.get("Retry-After", 1)))
        if response.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise KeyRefused(_told(response))
        raise ApiError(_told(response))


def _mistake(found: Mapping[str, str]) -> str:
    return f"{label_of(found['pointer'])}: {found['detail'].removeprefix('Value error, ')}"


def _told(response: httpx.Response) -> str:
    """The sentence of a problem document (RFC 9457)."""
    try:
        problem = response.json()
        wrong = [_mistake(one) for one in problem.get("errors") or []]
        return "; ".join(wrong) or str(problem["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the API answered with status {response.status_code}"

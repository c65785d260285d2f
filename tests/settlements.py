"""Cases for the last step of a promotion, without anything that had to be measured."""

import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np

from cartwise.errors import RegistryError
from cartwise.model.asks import TAG, Ask
from cartwise.model.comparison import Comparison, Difference
from cartwise.model.gate import Check, GateLimits
from cartwise.model.mlflow_store import Tracking
from cartwise.model.registry import NAME, Registry, Version
from cartwise.model.settlement import Case, Findings, settle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ASK = Ask("", "0" * 16, NOW.isoformat(), NOW.isoformat(), carts=5000, seed=7, draws=300, twins=0)


def case(version: Version, champion: Version | None, *, harmless: bool = True) -> Case:
    """A challenger that is better in all but 2 of 100 cases: enough at the first try only."""
    difference = Difference(-0.0205, 0.01)
    comparison = Comparison(5000, 3000, difference, Difference(0.01, 0.01), [], np.inf)
    checks = [Check("canary", harmless, None, None, "told")]
    ask = replace(ASK, champion=champion.model_version if champion else "")
    return Case(version, champion, ask, Findings(comparison, checks), GateLimits())


def add_version(registry: Registry) -> Version:
    """Another version of the same run, made without loading anything."""
    with registry._client() as client:
        known = registry.versions()[0]
        tags = {"model_version": f"other-{known.number}"}
        client.create_model_version(NAME, known.uri, known.run_id, tags)
    return registry.versions()[0]


def tries(registry: Registry) -> list[int]:
    """The numbers of all tries that are stored."""
    asked = [
        json.loads(told)["try"]
        for version in registry.versions()
        for name, told in version.tags.items()
        if name.startswith(TAG)
    ]
    return sorted(asked)


def locks(registry: Registry) -> list[str]:
    with registry._client() as client:
        return [one.name for one in client.search_registered_models("name LIKE 'cartwise-lock-%'")]


def settle_at(start: Barrier, place: Tracking, one: Case, queue: Any) -> None:
    """In a process of its own: settle when all others do, and tell what became of it."""
    registry = Registry(place)
    registry.versions()
    start.wait()
    try:
        settle(registry, one, NOW)
        queue.put(f"promoted {one.version.number}")
    except RegistryError as error:
        queue.put(f"refused: {error}")


def die_alone(place: Tracking) -> None:
    """In a process of its own: be killed while it decides."""
    with Registry(place).alone():
        os.kill(os.getpid(), signal.SIGKILL)

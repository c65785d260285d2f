"""The API for any ASGI server: ``benchmarks.serving_app:make``, a factory."""

import os
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI

from cartwise.features.catalogue import SPECIFICATION
from cartwise.garbage import freeze_start_up
from cartwise.serving.app import create_app
from cartwise.serving.building import Outside, build_service
from cartwise.serving.models import Folder
from cartwise.store import open_async_store


def make() -> FastAPI:
    """The application on the store and the bundle that the environment names."""
    store = open_async_store(os.environ["CARTWISE_STORE_URL"], SPECIFICATION)
    champion = Folder(Path(os.environ["CARTWISE_MODEL"]))
    service = build_service(SPECIFICATION, Outside(store, champion), lambda: datetime.now(UTC))
    service.models.refresh()
    return create_app(service, keyring=lambda: None, on_start=freeze_start_up)

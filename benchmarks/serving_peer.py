"""What one builds from the usual parts: features by Feast's SDK, then a model served by MLflow.

``benchmarks.serving_peer:make`` is a factory of an ASGI application; ``mlflow models serve`` runs
beside it, at ``PEER_MLFLOW_URL``.
"""

import json
import os

import httpx
import pandas as pd
from fastapi import FastAPI, Request
from feast import FeatureStore

from cartwise.features.catalogue import SPECIFICATION

_JSON = {"Content-Type": "application/json"}
_KEYS = ("user_id", "product_id", "category_id", "brand", "user_session")


def make() -> FastAPI:
    """The application on the feature repository and the model server that the environment names."""
    store = FeatureStore(os.environ["PEER_FEATURE_REPO"])
    service = store.list_feature_services()[0]
    client = httpx.AsyncClient(base_url=os.environ["PEER_MLFLOW_URL"], timeout=30)
    app = FastAPI()

    @app.post("/v1/score")
    async def score(request: Request) -> object:
        cart = await request.json()
        row = {name: cart[name] for name in _KEYS}
        features = await store.get_online_features_async(features=service, entity_rows=[row])
        frame = pd.DataFrame(features.to_dict()).reindex(columns=list(SPECIFICATION.vector))
        # MLflow reads NaN, and would make columns of None into objects that XGBoost refuses.
        body = json.dumps({"dataframe_split": frame.astype("float64").to_dict(orient="split")})
        answer = await client.post("/invocations", content=body, headers=_JSON)
        answer.raise_for_status()
        return answer.json()

    return app

"""An XGBoost booster as an ONNX graph of one node, built from the booster's own JSON.

The graph maps vectors, float32 (n, features), to margins (log-odds), float32 (n, 1). XGBoost goes
left where ``value < threshold`` and keeps a default side for missing values; the operator
``TreeEnsembleRegressor`` says the same with ``BRANCH_LT`` and ``missing_value_tracks_true``
(https://onnx.ai/onnx/operators/onnx_aimlonnx_TreeEnsembleRegressor.html). Thresholds and leaves
are float32 in both, so every vector takes the same path to the same leaves.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import onnx
import xgboost as xgb
from onnx import TensorProto, helper

from cartwise.model.bundle import INPUT, OUTPUT
from cartwise.model.logistic import log_odds_of

_ML_DOMAIN: Final = "ai.onnx.ml"
# The oldest versions that hold what is used here: the widest choice of runtimes can read them.
_OPSETS: Final = (("", 17), (_ML_DOMAIN, 3))
_IR_VERSION: Final = 8


def to_onnx(booster: xgb.Booster) -> bytes:
    """The booster's margin (before the sigmoid) as a serialized ONNX model; same in, same bytes."""
    learner = json.loads(booster.save_raw("json"))["learner"]
    node = helper.make_node(
        "TreeEnsembleRegressor", [INPUT], [OUTPUT], domain=_ML_DOMAIN, **_attributes(learner)
    )
    graph = helper.make_graph(
        [node],
        "cartwise",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, booster.num_features()])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _attributes(learner: Mapping[str, Any]) -> dict[str, Any]:
    trees = learner["gradient_booster"]["model"]["trees"]
    nodes = [node for tree_id, tree in enumerate(trees) for node in _nodes(tree_id, tree)]
    leaves = [node for node in nodes if node["modes"] == "LEAF"]
    return {
        **{f"nodes_{key}": [node[key] for node in nodes] for key in _NODE_KEYS},
        "target_treeids": [leaf["treeids"] for leaf in leaves],
        "target_nodeids": [leaf["nodeids"] for leaf in leaves],
        "target_ids": [0] * len(leaves),
        "target_weights": [leaf["leaf"] for leaf in leaves],
        "n_targets": 1,
        "base_values": [_base_margin(learner["learner_model_param"]["base_score"])],
        "post_transform": "NONE",
    }


_NODE_KEYS: Final = (
    "treeids",
    "nodeids",
    "featureids",
    "modes",
    "values",
    "truenodeids",
    "falsenodeids",
    "missing_value_tracks_true",
)


def _nodes(tree_id: int, tree: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    columns = ("left_children", "right_children", "split_indices", "split_conditions")
    rows = zip(*(tree[column] for column in columns), tree["default_left"], strict=True)
    for node_id, (left, right, feature, threshold, default_left) in enumerate(rows):
        is_leaf = left < 0
        yield {
            "treeids": tree_id,
            "nodeids": node_id,
            "featureids": 0 if is_leaf else feature,
            "modes": "LEAF" if is_leaf else "BRANCH_LT",
            "values": 0.0 if is_leaf else threshold,
            "truenodeids": 0 if is_leaf else left,
            "falsenodeids": 0 if is_leaf else right,
            "missing_value_tracks_true": 0 if is_leaf else int(default_left),
            "leaf": threshold,
        }


def _base_margin(base_score: str) -> float:
    """XGBoost writes the base score as a probability in brackets; margins add up in log-odds."""
    return log_odds_of(float(base_score.strip("[]")))

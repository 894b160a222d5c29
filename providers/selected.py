"""Who acts on a Cluster because of its labels, and what an edit of them sets off.

A HelmChartProxy installs its chart into every Cluster that its selector matches and *uninstalls* it
from one that no longer does; a ClusterResourceSet applies its objects and leaves them behind.
Sources: cluster-api-addon-provider-helm v0.6, controllers/helmchartproxy; Cluster API v1.14.0,
core/reconcilers/clusterresourceset; apimachinery's LabelSelector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from providers.base import value
from providers.capi import ADDONS
from state.resource import GroupKind, JsonObject

CHART_PROXY = GroupKind(ADDONS, "HelmChartProxy")
RESOURCE_SET = GroupKind(ADDONS, "ClusterResourceSet")
SELECTING = (CHART_PROXY, RESOURCE_SET)
UNINSTALLS = "uninstalls"


def selects(selector: Any, labels: Mapping[str, Any]) -> bool:
    """Whether a LabelSelector matches; a missing one matches nothing, an empty one everything.

    Source: k8s.io/apimachinery, meta/v1 LabelSelectorAsSelector. Malformed parts match nothing.
    """
    if not isinstance(selector, dict):
        return False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    if not isinstance(wanted, dict) or not isinstance(expressions, list | tuple):
        return False
    return all(labels.get(k) == v for k, v in wanted.items()) and all(
        _holds(e, labels) for e in expressions
    )


def selected(body: JsonObject, labels: Mapping[str, Any]) -> bool:
    """Whether an object of `SELECTING` acts on a Cluster with these labels.

    Cluster API takes an empty selector for none (clusterresourceset_controller.go), CAAPH for all.
    """
    selector = value(body, "spec.clusterSelector")
    empty = isinstance(selector, dict) and not any(selector.values())
    if empty and body.get("kind") == RESOURCE_SET.kind:
        return False
    return selects(selector, labels)


def _holds(expression: Any, labels: Mapping[str, Any]) -> bool:
    if not isinstance(expression, dict) or not isinstance(expression.get("key"), str):
        return False
    found = labels.get(expression["key"])
    values = expression.get("values")
    values = values if isinstance(values, list) else []
    match expression.get("operator"):
        case "In":
            return found is not None and found in values
        case "NotIn":
            return found is None or found not in values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
    return False


def set_off(
    before: Mapping[str, str], after: Mapping[str, str], selecting: Iterable[JsonObject]
) -> Iterator[str]:
    """What the objects of `SELECTING` do when a Cluster's labels change, worst first."""
    texts = []
    for body in selecting:
        was, becomes = selected(body, before), selected(body, after)
        if was != becomes:
            texts.append(_text(body, becomes))
    yield from sorted(texts, key=lambda text: (not text.startswith(UNINSTALLS), text))


def _text(body: JsonObject, becomes: bool) -> str:
    name = f"{body.get('kind')} {body['metadata']['name']}"
    if body.get("kind") == CHART_PROXY.kind:
        chart = value(body, "spec.chartName") or "its chart"
        return f"{'installs' if becomes else UNINSTALLS} {chart} ({name})"
    return f"applies {name}" if becomes else f"leaves what {name} applied"

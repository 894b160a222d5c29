"""Who acts on a Cluster because of its labels, and what an edit of them sets off.

A HelmChartProxy installs its chart into every Cluster that its selector matches and *uninstalls* it
from one that no longer does; a ClusterResourceSet applies its objects and leaves them behind.
Sources: cluster-api-addon-provider-helm v0.6, controllers/helmchartproxy; Cluster API v1.14.0,
core/reconcilers/clusterresourceset; apimachinery's LabelSelector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from providers.base import value
from providers.capi import ADDONS
from state.resource import GroupKind, JsonObject

CHART_PROXY = GroupKind(ADDONS, "HelmChartProxy")
RESOURCE_SET = GroupKind(ADDONS, "ClusterResourceSet")
SELECTING = (CHART_PROXY, RESOURCE_SET)
UNINSTALLS = "uninstalls"


def selects(selector: JsonObject | None, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector matches; a missing one matches nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != text for key, text in wanted.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _holds(expression: JsonObject, labels: Mapping[str, str]) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def set_off(
    before: Mapping[str, str], after: Mapping[str, str], selecting: Iterable[JsonObject]
) -> Iterator[str]:
    """What the objects of `SELECTING` do when a Cluster's labels change, worst first."""
    texts = []
    for body in selecting:
        selector = value(body, "spec.clusterSelector")
        was, becomes = selects(selector, before), selects(selector, after)
        if was != becomes:
            texts.append(_text(body, becomes))
    yield from sorted(texts, key=lambda text: (not text.startswith(UNINSTALLS), text))


def _text(body: JsonObject, becomes: bool) -> str:
    name = f"{body.get('kind')} {body['metadata']['name']}"
    if body.get("kind") == CHART_PROXY.kind:
        chart = value(body, "spec.chartName") or "its chart"
        return f"{'installs' if becomes else UNINSTALLS} {chart} ({name})"
    return f"applies {name}" if becomes else f"leaves what {name} applied"

"""Selectors of `--target` and `--exclude`.

`cluster=team-a/shop-*` · `layer=infrastructure` · `kind=MachineDeployment` · `label:wave=canary`
· `cluster=team-a/shop-dev,kind=MachineDeployment` (all must hold). Globs as in a shell.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from planner.units import cluster_of_unit, is_workload
from providers import bootstrap, capi, controlplane
from state.errors import ClusterformError
from state.resource import ResourceId

LAYERS = ("management", "cluster", "bootstrap", "controlplane", "infrastructure", "addons")
_KEYS = ("cluster", "kind", "layer", "name", "namespace")


class Selector(msgspec.Struct, frozen=True):
    """One parsed selector; `terms` are (key, pattern), all of which must match."""

    text: str
    terms: tuple[tuple[str, str], ...]

    def matches(self, id_: ResourceId, unit: str, labels: dict[str, str]) -> bool:
        """Whether an object is meant."""
        return all(_term(key, pattern, id_, unit, labels) for key, pattern in self.terms)


def parse(text: str) -> Selector:
    """A selector; raises ClusterformError('bad-selector') that lists the valid keys."""
    terms = []
    for term in text.split(","):
        key, equals, pattern = term.strip().partition("=")
        if not equals or not pattern or not (key in _KEYS or key.startswith("label:")):
            raise ClusterformError(
                "bad-selector",
                f"cannot read the selector {text!r}",
                hint=f"use {', '.join(f'{k}=…' for k in _KEYS)} or label:KEY=VALUE",
            )
        if key == "layer" and pattern not in LAYERS:
            raise ClusterformError(
                "bad-selector",
                f"there is no layer {pattern!r}",
                hint="layers are " + ", ".join(LAYERS),
            )
        terms.append((key, pattern))
    return Selector(text, tuple(terms))


def layer(id_: ResourceId) -> str:
    """The layer of the architecture that an object belongs to."""
    if is_workload(id_.cluster):
        return "addons"
    return {
        capi.GROUP: "cluster",
        capi.ADDONS: "addons",
        bootstrap.GROUP: "bootstrap",
        controlplane.GROUP: "controlplane",
        "infrastructure.cluster.x-k8s.io": "infrastructure",
    }.get(id_.group, "management")


def _term(key: str, pattern: str, id_: ResourceId, unit: str, labels: dict[str, str]) -> bool:
    if key.startswith("label:"):
        return fnmatchcase(labels.get(key[6:], ""), pattern)
    if key == "cluster":
        cluster = cluster_of_unit(unit)
        return cluster is not None and fnmatchcase(cluster.qualified_name, pattern)
    subject = {
        "kind": id_.kind,
        "layer": layer(id_),
        "name": id_.name,
        "namespace": id_.namespace,
    }[key]
    return fnmatchcase(subject, pattern)


def nothing_matches(selectors: Iterable[Selector], hint: str) -> ClusterformError:
    """The error of a selector without a match: a typo must not widen or empty a plan."""
    texts = ", ".join(repr(s.text) for s in selectors)
    return ClusterformError("no-match", f"nothing matches {texts}", hint=hint)

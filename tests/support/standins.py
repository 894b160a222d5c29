"""Stand-ins for the CRDs of providers, made from their tables: what a sandbox needs to serve them.

Names, scopes, versions and contract labels are real; schemas look into nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from providers import bootstrap, controlplane
from providers.builtin import plural_of
from providers.registry import provided
from state.resource import GroupKind

_CORE = {
    "cluster.x-k8s.io": "Cluster ClusterClass Machine MachineDeployment MachineHealthCheck"
    " MachinePool MachineSet",
    "addons.cluster.x-k8s.io": "ClusterResourceSet ClusterResourceSetBinding",
    "bootstrap.cluster.x-k8s.io": "KubeadmConfig KubeadmConfigTemplate",
    "controlplane.cluster.x-k8s.io": "KubeadmControlPlane KubeadmControlPlaneTemplate",
}
CORE = tuple(GroupKind(group, kind) for group, kinds in _CORE.items() for kind in kinds.split())
_TEXT = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.{group}
{labels}spec:
  group: {group}
  names: {{kind: {kind}, listKind: {kind}List, plural: {plural}, singular: {singular}}}
  scope: {scope}
  versions:
    - name: {version}
      served: true
      storage: true
      subresources: {{status: {{}}}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
            status: {{type: object, x-kubernetes-preserve-unknown-fields: true}}
"""


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Every object below a folder of manifests."""
    for path in sorted(folder.rglob("*.yaml")):
        yield from yaml.load_all(path.read_text(), yaml.CSafeLoader)


def needed(objects: Iterable[dict[str, Any]]) -> list[GroupKind]:
    """The kinds of some objects that a table has, and those that controllers make of templates."""
    found = set(CORE)
    for body in objects:
        kind = GroupKind(body["apiVersion"].rpartition("/")[0], body["kind"])
        made = GroupKind(kind.group, kind.kind.removesuffix("Template"))
        found |= {k for k in (kind, made) if provided(k.group, k.kind)}
    return sorted(found)


def crds(kinds: Iterable[GroupKind]) -> str:
    """The stand-ins, as text."""
    return "---\n".join(_crd(kind) for kind in kinds)


def _crd(kind: GroupKind) -> str:
    known = provided(kind.group, kind.kind)
    version, namespaced, labels = "v1beta2", True, ""
    if known is not None:
        provider, facts = known
        version, namespaced = (facts.versions or provider.versions)[-1], facts.namespaced
        if provider.contract != "none":
            labels = f"  labels: {{cluster.x-k8s.io/{provider.contract}: {version}}}\n"
    elif kind.group in (bootstrap.GROUP, controlplane.GROUP):
        labels = f"  labels: {{cluster.x-k8s.io/v1beta2: {version}}}\n"
    return _TEXT.format(
        plural=plural_of(kind.kind),
        group=kind.group,
        kind=kind.kind,
        singular=kind.kind.lower(),
        labels=labels,
        scope="Namespaced" if namespaced else "Cluster",
        version=version,
    )

"""Snippets → subjects, and what the rules say about them."""

from __future__ import annotations

from planner.rules import offline
from planner.rules.controllers import Manager
from planner.rules.subject import Declared, Problem, Subject
from providers import yamldoc
from providers.versions import Version
from state.resource import ResourceId, split_api_version

CLUSTER_SCOPED = ("Namespace", "CustomResourceDefinition")


def subjects(text: str) -> tuple[Subject, ...]:
    """The objects of a YAML text, in namespace team-a where they say none."""
    documents, findings = yamldoc.parse(text.encode(), "test.yaml")
    assert findings == []
    found = []
    for document in documents:
        body = document.body
        group, _ = split_api_version(body["apiVersion"])
        kind, metadata = body["kind"], body["metadata"]
        scoped = kind in CLUSTER_SCOPED or "Identity" in kind
        namespace = "" if scoped else metadata.get("namespace", "team-a")
        id_ = ResourceId("mgmt", group, kind, namespace, metadata["name"])
        found.append(Subject(id=id_, version=body["apiVersion"], body=body))
    return tuple(found)


def problems(
    text: str, known: tuple[Manager, ...] = (), core: Version | None = None
) -> list[Problem]:
    """Everything that the offline rules say about a text."""
    found = subjects(text)
    objects = Declared(found)
    return [
        *offline.check(found, objects, known, core),
        *offline.whole(found, objects, {s.id: "test.yaml" for s in found}),
    ]


def said(text: str, rule: str, core: Version | None = None) -> list[str]:
    """The severities of one rule's problems."""
    return [p.severity for p in problems(text, core=core) if p.rule == rule]


def plane(version: str = "v1.35.2", replicas: int = 3, more: str = "", name: str = "c1") -> str:
    """A KubeadmControlPlane; `more` is indented by two."""
    return f"""\
apiVersion: controlplane.cluster.x-k8s.io/v1beta2
kind: KubeadmControlPlane
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  version: {version}
{more}"""


def cluster(more: str = "", name: str = "c1", metadata: str = "", version: str = "v1beta2") -> str:
    """A Cluster with its control plane reference."""
    ref = "apiGroup: controlplane.cluster.x-k8s.io"
    if version == "v1beta1":
        ref = "apiVersion: controlplane.cluster.x-k8s.io/v1beta1"
    return f"""\
apiVersion: cluster.x-k8s.io/{version}
kind: Cluster
metadata: {{name: {name}{metadata}}}
spec:
  controlPlaneRef: {{{ref}, kind: KubeadmControlPlane, name: {name}}}
{more}"""


def pool(
    version: str = "v1.35.2",
    more: str = "",
    *,
    name: str = "md0",
    metadata: str = "",
    template: str = "",
    kind: str = "MachineDeployment",
) -> str:
    """A MachineDeployment that joins by kubeadm."""
    return f"""\
apiVersion: cluster.x-k8s.io/v1beta2
kind: {kind}
metadata: {{name: {name}{metadata}}}
spec:
  clusterName: c1
{more}  template:
{template}    spec:
      clusterName: c1
      version: {version}
      bootstrap:
        configRef: {{apiGroup: bootstrap.cluster.x-k8s.io, kind: KubeadmConfigTemplate, name: w}}
"""


def together(*texts: str) -> str:
    """Several documents as one file."""
    return "---\n".join(texts)

"""Effects on machines are computed from what people write: any JSON anywhere, never a traceback."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.base import Fact, Impact
from providers.blueprint import NotKnown, blueprint
from providers.capi import MACHINE, MACHINE_DEPLOYMENT, MACHINE_POOL, MACHINE_SET, class_reference
from providers.controlplane import KUBEADM
from providers.holds import holds
from providers.registry import impact
from providers.topologyimpact import new_impact, topology_impact
from state.resource import GroupKind

KINDS = (
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MACHINE_POOL,
    MACHINE,
    KUBEADM,
    GroupKind("controlplane.cluster.x-k8s.io", "SomeControlPlane"),
)
WORDS = ("3", "²", "25%", "-1", "²%", "99999999999999999999%", "OnDelete", "", "x",
    "2027-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "md-0", "worker")  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(WORDS),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(("type", "name", "kind", "x")), inner, max_size=2),
    ),
    max_leaves=5,
)
REFERENCE = {"apiGroup": "g", "kind": "T", "name": "t"}
STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}
ROLLOUT = {
    "strategy": STRATEGY,
    "after": "2026-01-01T00:00:00Z",
    "before": {"certificatesExpiryDays": 30},
}
NODE = {"nodeRegistration": {"name": "x"}, "timeouts": {"x": 1}}
SPEC: dict[str, Any] = {
    "replicas": 3,
    "version": "v1.35.0",
    "rollout": ROLLOUT,
    "rolloutAfter": "2026-01-01T00:00:00Z",
    "rolloutBefore": {"certificatesExpiryDays": 30},
    "rolloutStrategy": STRATEGY,
    "strategy": STRATEGY,
    "deletion": {"order": "Newest"},
    "deletePolicy": "Newest",
    "template": {
        "spec": {
            "version": "v1.35.0",
            "bootstrap": {"configRef": REFERENCE},
            "infrastructureRef": REFERENCE,
            "failureDomain": "a",
        }
    },
    "machineTemplate": {"spec": {"infrastructureRef": REFERENCE}, "infrastructureRef": REFERENCE},
    "kubeadmConfigSpec": {
        "clusterConfiguration": {"dns": {}, "timeouts": {"x": 1}},
        "initConfiguration": NODE,
        "joinConfiguration": {**NODE, "discovery": {}},
    },
}
WORKER = {"class": "worker", "name": "md-0", "replicas": 2, "rollout": ROLLOUT,
    "strategy": STRATEGY, "deletion": {"order": "Newest"}, "failureDomain": "a",
    "metadata": {"annotations": {"a": "b"}},
    "variables": {"overrides": [{"name": "v", "value": 1}]}}  # fmt: skip
TOPOLOGY: dict[str, Any] = {
    "classRef": {"name": "small", "namespace": "team-a"},
    "version": "v1.35.0",
    "variables": [{"name": "v", "value": 1}],
    "controlPlane": {"replicas": 3, "metadata": {"annotations": {"a": "b"}}},
    "workers": {"machineDeployments": [WORKER], "machinePools": [{**WORKER, "name": "mp-0"}]},
}
OF_CLASS = {
    "class": "worker",
    "bootstrap": {"templateRef": REFERENCE},
    "infrastructure": {"templateRef": REFERENCE},
    "rollout": ROLLOUT,
    "deletion": {"order": "Newest"},
}
CLASS: dict[str, Any] = {
    "controlPlane": {
        "templateRef": REFERENCE,
        "machineInfrastructure": {"templateRef": REFERENCE},
    },
    "workers": {"machineDeployments": [OF_CLASS], "machinePools": [OF_CLASS]},
    "variables": [{"name": "v", "schema": {"openAPIV3Schema": {"default": 1}}}],
    "patches": [{"name": "p", "definitions": [{
        "selector": {"apiVersion": "g/v1", "kind": "T", "matchResources": {"controlPlane": True}},
        "jsonPatches": [{"op": "add", "path": "/spec/x", "valueFrom": {"variable": "v"}}]}]}],
}  # fmt: skip
TEMPLATE = {"apiVersion": "g/v1", "kind": "T", "spec": {"template": {"spec": SPEC}}}


@st.composite
def broken(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """Everything in its place but one thing."""
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))
    at: Any = body
    while True:
        key = draw(st.sampled_from(list(at) if isinstance(at, dict) else list(range(len(at)))))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.integers(0, 3)) == 0:
            at[key] = draw(JSON)
            return body
        at = at[key]


def body(spec: Any, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "x", "namespace": "team-a", "labels": labels}, "spec": spec}


def facts() -> Fact:
    """Machines of every owner, with what stands around them."""
    machine = {"version": "v1.34.0", "infrastructureRef": REFERENCE,
               "bootstrap": {"configRef": {"name": "x"}}}  # fmt: skip
    of = (
        {"cluster.x-k8s.io/control-plane": ""},
        {"topology.cluster.x-k8s.io/deployment-name": "md-0"},
    )
    return Fact(
        machines=tuple(body(machine, **labels) for labels in of),
        machine_sets=({**body(SPEC), "metadata": {"name": "x", "uid": "u"}},),
        configs=(body({"clusterConfiguration": {}}),),
        pools=(body(SPEC, **{"topology.cluster.x-k8s.io/pool-name": "mp-0"}),),
        now=2e9,
    )


def sane(found: Impact | None) -> None:
    """Counts are counts."""
    if found is not None:
        for number in (found.replaced, found.added, found.removed, found.destroyed, found.live):
            assert type(number) is int
            assert number >= 0


@settings(max_examples=300, deadline=None)
@given(spec=broken(SPEC), whole=st.booleans(), kind=st.sampled_from(KINDS))
def test_an_owner_of_machines_may_hold_anything(
    spec: dict[str, Any], whole: bool, kind: GroupKind
) -> None:
    before = body(SPEC if whole else {})
    after = body(spec)
    sane(impact(kind, None, after, Fact()))
    found = impact(kind, before, after, facts())
    sane(found)
    if found is not None:
        holds(kind, before, after, found, facts())


def topology(cluster: Any, class_: Any, template: Any) -> None:
    of = body({"topology": cluster})
    sane(new_impact(of))
    class_reference(of)
    live = blueprint(body({"topology": TOPOLOGY}), body(CLASS), lambda *_: TEMPLATE)
    try:
        rendered = blueprint(of, body(class_), lambda *_: template)
    except NotKnown:
        return
    sane(topology_impact(live, rendered, facts()))
    sane(topology_impact(rendered, live, facts()))


@settings(max_examples=300, deadline=None)
@given(broken(TOPOLOGY))
def test_a_topology_may_hold_anything(cluster: dict[str, Any]) -> None:
    topology(cluster, CLASS, TEMPLATE)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_a_topology_may_be_anything(cluster: Any) -> None:
    topology(cluster, CLASS, TEMPLATE)


@settings(max_examples=300, deadline=None)
@given(broken(CLASS))
def test_a_class_may_hold_anything(class_: dict[str, Any]) -> None:
    topology(TOPOLOGY, class_, TEMPLATE)


@settings(max_examples=300, deadline=None)
@given(broken(TEMPLATE))
def test_a_template_of_a_class_may_hold_anything(template: dict[str, Any]) -> None:
    topology(TOPOLOGY, CLASS, template)

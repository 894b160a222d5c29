"""Profiles that an add-on provider applies: rendered objects → ClusterResourceSet, HelmChartProxy.

A ClusterResourceSet names ConfigMaps and Secrets that hold manifests; Cluster API puts what is in
them into every Cluster of the namespace that it selects. A HelmChartProxy names a chart, and CAAPH
installs it. Sources: Cluster API v1.14.0, core/reconcilers/clusterresourceset;
cluster-api-addon-provider-helm v0.6, controllers/helmchartproxy, internal/value_templating.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from planner.expand.rendered import Part, checked
from providers.builtin import KINDS
from providers.capi import ADDONS
from providers.management import CRD
from providers.secrets import sensitive, transformed
from state.desired import Profile
from state.errors import ClusterformError
from state.fields import set_at, value_at
from state.resource import GroupKind, JsonObject, canonical, digest, split_api_version

SECRET_TYPE = "addons.cluster.x-k8s.io/resource-set"
LIMIT = 1 << 20
"""Bytes of all values of a ConfigMap or Secret (kubernetes, core validation, MaxSecretSize)."""
_FIRST = ("Namespace", "CustomResourceDefinition", "StorageClass", "Secret", "ConfigMap")
"""Kinds that others need; the provider applies keys in their order (normalizeData)."""
_KEY = re.compile(r"[^-._a-zA-Z0-9]")
_LONGEST = 230
"""Characters of a key before its digest; 253 is the most that a ConfigMap takes."""
_PROXY_VERSION = f"{ADDONS}/v1alpha1"


class _Entry(msgspec.Struct, frozen=True):
    """One object as a key of a ConfigMap or Secret."""

    key: str
    text: str
    secret: bool
    name: str


def object_name(profile: Profile) -> str:
    """The name of what a profile is handed to: another selector or strategy is another set.

    Both fields are immutable, and what a deleted set owned goes with it: under one name, the new
    set would lose its ConfigMaps to the garbage collector. A HelmChartProxy keeps its name, since
    deleting one uninstalls the chart.
    """
    if profile.through == "helmChartProxy":
        return profile.name
    marks = (profile.through, profile.strategy, *(f"{k}={v}" for k, v in profile.selector or ()))
    return f"{profile.name}-{digest(*(mark.encode() for mark in marks))[:6]}"


def kind_of(profile: Profile) -> GroupKind:
    """The kind of the object that a profile is handed to."""
    return GroupKind(ADDONS, f"{profile.through[0].upper()}{profile.through[1:]}")


# ---------------------------------------------------------------------- ClusterResourceSet


def resource_set(profile: Profile, parts: Iterable[Part], path: str) -> list[Part]:
    """The set of a profile, and the ConfigMaps and Secrets with its objects.

    Namespace and version are those of the Clusters, so they are set where these are known. Raises
    ClusterformError('handover') for what a set cannot do.
    """
    entries = sorted(_entries(profile, list(parts), path), key=lambda e: e.key)
    if not entries:
        raise _cannot(profile, "there is nothing to apply")
    name = object_name(profile)
    held = [
        *_payloads(profile, f"{name}-", "ConfigMap", [e for e in entries if not e.secret]),
        *_payloads(profile, f"{name}-secret-", "Secret", [e for e in entries if e.secret]),
    ]
    spec = {
        "clusterSelector": {"matchLabels": dict(profile.selector or ())},
        "strategy": profile.strategy,
        "resources": [{"kind": b["kind"], "name": b["metadata"]["name"]} for b in held],
    }
    body = {
        "apiVersion": f"{ADDONS}/v1beta2",
        "kind": "ClusterResourceSet",
        "metadata": {"name": name},
        "spec": spec,
    }
    return [Part(body=each) for each in (*held, body)]


def _entries(profile: Profile, parts: list[Part], path: str) -> Iterator[_Entry]:
    """The objects as they would be applied here: checked, without what was exported."""
    if hooks := [p.by for p in parts if p.hook is not None]:
        raise _cannot(
            profile,
            f"{hooks[0]} is a Helm hook, and a ClusterResourceSet knows no order to run it in",
            "let it go through the kubeconfig, or hand the chart to a HelmChartProxy",
        )
    whole: list[JsonObject] = [msgspec.json.decode(canonical(p.body)) for p in parts]
    manifests, findings = checked(parts, path, (), sensitive)
    for found in findings:
        if found.severity == "error":
            raise _cannot(profile, found.summary, found.hint)
    crds = dict(_declared(m.body for m in manifests if m.kind == CRD.kind))
    keys: set[str] = set()
    for manifest in manifests:
        name = f"{manifest.kind} {manifest.name}"
        if manifest.sealed:
            raise _cannot(profile, f"{name} is encrypted by SOPS: a set would hold it as it stands")
        if manifest.cluster:
            raise _cannot(profile, f"{name} names a cluster of its own")
        body: JsonObject = msgspec.json.decode(manifest.body)
        for taken in manifest.secrets:
            text = str(value_at(whole[manifest.index], taken.source))
            set_at(body, taken.path, transformed(text, taken.transform))
        kind = GroupKind(split_api_version(manifest.version)[0], manifest.kind)
        served = KINDS.get(kind)
        namespaced = served.namespaced if served is not None else crds.get(kind)
        _settle(body, namespaced, profile.namespace if profile.chart else "default")
        key = _key(kind, str(body["metadata"].get("namespace", "")), manifest.name, keys)
        keys.add(key)
        text = msgspec.json.format(canonical(body), indent=2).decode() + "\n"
        yield _Entry(key, text, bool(manifest.secrets), name)


def _declared(bodies: Iterable[bytes]) -> Iterator[tuple[GroupKind, bool]]:
    """The kinds that CustomResourceDefinitions among the objects declare, and their scope."""
    for body in bodies:
        spec = msgspec.json.decode(body).get("spec") or {}
        kind = (spec.get("names") or {}).get("kind", "")
        yield GroupKind(str(spec.get("group", "")), str(kind)), spec.get("scope") != "Cluster"


def _settle(body: JsonObject, namespaced: bool | None, home: str) -> None:
    """The namespace as a server needs it; the provider sends an object as it is written."""
    metadata = body["metadata"]
    if namespaced and not metadata.get("namespace"):
        metadata["namespace"] = home
    elif namespaced is False:
        metadata.pop("namespace", None)


def _key(kind: GroupKind, namespace: str, name: str, taken: set[str]) -> str:
    """`9-Deployment-logging-fluent-bit.json`: says what it holds, and sorts by what comes first."""
    rank = _FIRST.index(kind.kind) if kind.kind in _FIRST else 9
    parts = [p for p in (kind.kind, namespace, name) if p]
    plain = f"{rank}-{'-'.join(parts)}"
    key = _KEY.sub("_", plain)[:_LONGEST]
    if key != plain or f"{key}.json" in taken:
        key += f"-{digest(str(kind).encode(), namespace.encode(), name.encode())[:8]}"
    return f"{key}.json"


def _payloads(
    profile: Profile, prefix: str, kind: str, entries: list[_Entry]
) -> Iterator[JsonObject]:
    """ConfigMaps or Secrets with all entries in their order, each as full as it may be."""
    sizes = {e.key: len(e.text.encode()) for e in entries}
    groups: list[list[_Entry]] = []
    room = 0
    for entry in entries:
        size = sizes[entry.key]
        if size > LIMIT:
            raise _cannot(
                profile,
                f"{entry.name} has {size:,} bytes, and a {kind} holds {LIMIT:,}",
                "let it go through the kubeconfig",
            )
        if size > room:
            groups.append([])
            room = LIMIT
        groups[-1].append(entry)
        room -= size
    field = "stringData" if kind == "Secret" else "data"
    typed: JsonObject = {"type": SECRET_TYPE} if kind == "Secret" else {}
    for index, group in enumerate(groups):
        yield {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": f"{prefix}{index}"},
            **typed,
            field: {e.key: e.text for e in group},
        }


def _cannot(profile: Profile, why: str, hint: str = "") -> ClusterformError:
    what = f"cannot be handed to a {kind_of(profile).kind}"
    return ClusterformError("handover", f"{what}: {why}", hint=hint)


# ---------------------------------------------------------------------- HelmChartProxy


def chart_proxy(profile: Profile) -> list[Part]:
    """The HelmChartProxy of a profile; it is named like its release."""
    spec: JsonObject = {
        "clusterSelector": {"matchLabels": dict(profile.selector or ())},
        "chartName": profile.chart,
        "repoURL": profile.repository,
        "releaseName": profile.name,
        "namespace": profile.namespace,
        "reconcileStrategy": profile.strategy,
    }
    if profile.version:
        spec["version"] = profile.version
    if profile.values != b"{}":
        spec["valuesTemplate"] = literal(msgspec.json.format(profile.values, indent=2).decode())
    metadata = {"name": object_name(profile)}
    return [
        Part(
            body={
                "apiVersion": _PROXY_VERSION,
                "kind": "HelmChartProxy",
                "metadata": metadata,
                "spec": spec,
            }
        )
    ]


def literal(text: str) -> str:
    """Text that a Go template gives back as it is: the values are the same for every cluster.

    Outside of `{{`, a template is copied (text/template); `{{- ` would also eat space before it.
    """
    return text.replace("{{", '{{ "{{" }}')

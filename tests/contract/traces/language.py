"""A trace: requests in order, some of them with parts of earlier answers. Data, nothing runs here.

`$ns` in any text is the namespace that a run has for itself; cluster-wide names begin with it.
References (`uid(1)`, `version(2)`, `token(3)`) name an earlier step by its number, from 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from providers.kube.api import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH

Json = Any

KINDS: dict[str, tuple[str, str, bool]] = {
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles", False),
    "Cluster": ("cluster.x-k8s.io/v1beta2", "clusters", True),
    "ConfigMap": ("v1", "configmaps", True),
    "CronJob": ("batch/v1", "cronjobs", True),
    "CustomResourceDefinition": (
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        False,
    ),
    "DaemonSet": ("apps/v1", "daemonsets", True),
    "Deployment": ("apps/v1", "deployments", True),
    "DevMachineTemplate": (
        "infrastructure.cluster.x-k8s.io/v1beta2",
        "devmachinetemplates",
        True,
    ),
    "Gear": ("$ns.test/v1", "gears", True),
    "Job": ("batch/v1", "jobs", True),
    "KubeadmConfigTemplate": (
        "bootstrap.cluster.x-k8s.io/v1beta2",
        "kubeadmconfigtemplates",
        True,
    ),
    "MachineDeployment": ("cluster.x-k8s.io/v1beta2", "machinedeployments", True),
    "Namespace": ("v1", "namespaces", False),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies", True),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets", True),
    "PriorityClass": ("scheduling.k8s.io/v1", "priorityclasses", False),
    "Role": ("rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Secret": ("v1", "secrets", True),
    "Service": ("v1", "services", True),
    "ServiceAccount": ("v1", "serviceaccounts", True),
    "StatefulSet": ("apps/v1", "statefulsets", True),
    "Widget": ("t.cform.test/v1beta2", "widgets", True),
}
"""Kind → apiVersion, resource, whether it lives in a namespace."""

CAPI = frozenset(("Cluster", "DevMachineTemplate", "KubeadmConfigTemplate", "MachineDeployment"))


@dataclass(frozen=True, slots=True)
class Part:
    """Something in the answer of an earlier step; takes the place of any value."""

    step: int
    path: tuple[str | int, ...]


def uid(step: int) -> Part:
    """The uid that a step's answer shows."""
    return Part(step, ("metadata", "uid"))


def version(step: int) -> Part:
    """The resourceVersion that a step's answer shows, an object's or a list's."""
    return Part(step, ("metadata", "resourceVersion"))


def token(step: int) -> Part:
    """Where the page of a step goes on."""
    return Part(step, ("metadata", "continue"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request. With `status` or `holds` it is repeated until the answer is like that."""

    says: str
    method: str
    path: str
    query: tuple[tuple[str, str | Part], ...] = ()
    body: Json = None
    media: str = JSON
    events: int = 0
    """A watch that ends after so many events."""
    until_status: int = 0
    until_holds: tuple[tuple[str | int, ...], Json] | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests that belong together. The title is a sentence and unique."""

    topic: str
    title: str
    steps: tuple[Step, ...]

    @property
    def capi(self) -> bool:
        """It needs Cluster API's definitions."""
        return any(f"/{KINDS[kind][1]}" in step.path for kind in CAPI for step in self.steps)


def topic(name: str, *found: tuple[str, tuple[Step, ...]]) -> tuple[Trace, ...]:
    """The traces of one topic."""
    return tuple(Trace(name, title, steps) for title, steps in found)


def trace(title: str, *steps: Step) -> tuple[str, tuple[Step, ...]]:
    """One trace, for `topic`."""
    return title, steps


# ------------------------------------------------------------------------- objects


def thing(kind: str, name: str = "a", *, metadata: Json = None, **parts: Json) -> Json:
    """An object of a kind, in the run's namespace if it lives in one."""
    api_version, _, namespaced = KINDS[kind]
    identity = {"namespace": "$ns", "name": name} if namespaced else {"name": name}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {**identity, **(metadata or {})},
        **parts,
    }


def config(name: str = "a", *, metadata: Json = None, **data: str) -> Json:
    """A ConfigMap with this data."""
    return thing("ConfigMap", name, metadata=metadata, data=data)


def widget(name: str = "a", *, metadata: Json = None, **spec: Json) -> Json:
    """A custom resource of the recorded definition, with this spec."""
    return thing("Widget", name, metadata=metadata, spec=spec)


def owned_by(kind: str, name: str, step: int, **more: Json) -> Json:
    """Metadata of a dependent of the object that a step answered."""
    reference = {"apiVersion": KINDS[kind][0], "kind": kind, "name": name, "uid": uid(step)}
    return {"ownerReferences": [{**reference, **more}]}


# ------------------------------------------------------------------------- requests


def path_of(obj: Json, sub: str = "") -> str:
    """The URL of an object."""
    metadata = obj["metadata"]
    path = f"{path_of_kind(obj['kind'], metadata.get('namespace', ''))}/{metadata['name']}"
    return f"{path}/{sub}" if sub else path


def path_of_kind(kind: str, namespace: str) -> str:
    """The URL of a collection."""
    api_version, plural, _ = KINDS[kind]
    root = "apis" if "/" in api_version else "api"
    middle = f"/namespaces/{namespace}" if namespace else ""
    return f"/{root}/{api_version}{middle}/{plural}"


def _named(obj: Json) -> str:
    return f"{obj['kind']} {obj['metadata'].get('name') or obj['metadata'].get('generateName')}"


def _write(
    verb: str, method: str, path: str, obj: Json, by: str, dry: bool, sub: str, **how: Json
) -> Step:
    query: list[tuple[str, str | Part]] = [("fieldManager", by)] if by else []
    query += [("dryRun", "All")] if dry else []
    query += how.pop("query", [])
    told = f"{'dry-run ' if dry else ''}{verb} {_named(obj)}"
    told += (f"/{sub}" if sub else "") + (f" as {by}" if by else "")
    return Step(says=told, method=method, path=path, query=tuple(query), **how)


def apply(
    obj: Json,
    by: str = "one",
    *,
    force: bool = False,
    dry: bool = False,
    sub: str = "",
    **query: str,
) -> Step:
    """Server-side apply."""
    more = [("force", "true")] if force else []
    verb = "force" if force else "apply"
    return _write(
        verb,
        "PATCH",
        path_of(obj, sub),
        obj,
        by,
        dry,
        sub,
        body=obj,
        media=APPLY_PATCH,
        query=[*more, *query.items()],
    )


def create(obj: Json, by: str = "maker", *, dry: bool = False, **query: str) -> Step:
    """POST."""
    path = path_of_kind(obj["kind"], obj["metadata"].get("namespace", ""))
    return _write("create", "POST", path, obj, by, dry, "", body=obj, query=list(query.items()))


def put(obj: Json, by: str = "editor", *, dry: bool = False, sub: str = "", **query: str) -> Step:
    """PUT."""
    return _write(
        "replace", "PUT", path_of(obj, sub), obj, by, dry, sub, body=obj, query=list(query.items())
    )


def merge(obj: Json, change: Json, by: str = "editor", *, dry: bool = False, sub: str = "") -> Step:
    """A JSON merge patch of an object; of `obj` only the identity is used."""
    return _write(
        "merge-patch", "PATCH", path_of(obj, sub), obj, by, dry, sub, body=change, media=MERGE_PATCH
    )


def json_patch(obj: Json, *operations: Json, by: str = "editor") -> Step:
    """A JSON patch of an object."""
    return _write(
        "json-patch",
        "PATCH",
        path_of(obj),
        obj,
        by,
        False,
        "",
        body=list(operations),
        media=JSON_PATCH,
    )


def delete(obj: Json, **options: Json) -> Step:
    """DELETE; options are those of DeleteOptions."""
    body = {"apiVersion": "v1", "kind": "DeleteOptions", **options} if options else None
    told = f"delete {_named(obj)}" + (f" with {', '.join(sorted(options))}" if options else "")
    return Step(says=told, method="DELETE", path=path_of(obj), body=body)


def delete_all(kind: str, selector: str = "") -> Step:
    """DELETE of a collection."""
    query = (("labelSelector", selector),) if selector else ()
    return Step(
        says=f"delete every {kind}" + (f" with {selector}" if selector else ""),
        method="DELETE",
        path=path_of_kind(kind, "$ns"),
        query=query,
    )


def get(obj: Json, sub: str = "") -> Step:
    """GET of an object."""
    told = f"get {_named(obj)}" + (f"/{sub}" if sub else "")
    return Step(says=told, method="GET", path=path_of(obj, sub))


def list_of(kind: str, *, namespace: str = "$ns", **query: Json) -> Step:
    """GET of a collection. `continues` is the token of an earlier page."""
    if "continues" in query:
        query["continue"] = query.pop("continues")
    told = f"list {kind}s" + (f" by {', '.join(sorted(query))}" if query else "")
    return Step(
        says=told,
        method="GET",
        path=path_of_kind(kind, namespace),
        query=tuple((n, v if isinstance(v, Part) else str(v)) for n, v in query.items()),
    )


def watch(kind: str, since: Part | str, events: int, **query: Json) -> Step:
    """Take so many events after a resourceVersion."""
    more = tuple((n, v if isinstance(v, Part) else str(v)) for n, v in query.items())
    resource = (("resourceVersion", since),) if since else ()
    told = f"watch {kind}s" + (f" by {', '.join(sorted(query))}" if query else "")
    return Step(
        says=told,
        method="GET",
        path=path_of_kind(kind, "$ns"),
        query=(("watch", "true"), *resource, *more),
        events=events,
    )


def send(method: str, path: str, body: Json = None, media: str = JSON, **query: str) -> Step:
    """Any request."""
    told = f"{method} {path}"
    return Step(
        says=told, method=method, path=path, query=tuple(query.items()), body=body, media=media
    )


def until_gone(obj: Json) -> Step:
    """Wait for what controllers do: an object that disappears."""
    return replace(get(obj), says=f"until {_named(obj)} is gone", until_status=404)


def until(obj: Json, *path: str | int, is_: Json) -> Step:
    """Wait for what controllers do: a field that has a value, or is missing (None)."""
    where = ".".join(map(str, path))
    told = f"until {_named(obj)} has {where} {is_}"
    return replace(get(obj), says=told, until_status=200, until_holds=(path, is_))


def at(value: Json, path: Iterable[str | int]) -> Json:
    """What stands at a path, None where nothing does."""
    for name in path:
        if isinstance(name, int):
            value = value[name] if isinstance(value, list) and len(value) > name else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value

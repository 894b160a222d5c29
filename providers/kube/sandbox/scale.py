"""The `/scale` subresource: one view of `replicas` for kinds that differ in everything else."""

from __future__ import annotations

from typing import Any

from providers.kube.api import APPLY_PATCH, Response
from providers.kube.sandbox import writes
from providers.kube.sandbox.json_patch import merge_patch
from providers.kube.sandbox.kinds import Kind
from providers.kube.sandbox.session import Session
from providers.kube.sandbox.statuses import answer, not_allowed, not_carried, not_found
from providers.kube.sandbox.verbs import Call, decoded
from state.resource import JsonObject


def scale(session: Session, call: Call, method: str) -> Response:
    """GET, PUT and merge PATCH of a scale."""
    old = session.get(call.kind, call.namespace, call.name)
    if old is None:
        raise not_found(call.kind.plural, call.kind.group, call.name)
    if method == "GET":
        return answer(_view(call.kind, old))
    if method not in ("PUT", "PATCH"):
        raise not_allowed()
    if call.content_type.startswith(APPLY_PATCH):
        raise not_carried("server-side apply of a scale")
    wanted = decoded(call.body)
    if method == "PATCH":
        wanted = merge_patch(_view(call.kind, old), wanted)
    value = writes.detached(old)
    path = call.kind.scale.get("specReplicasPath", ".spec.replicas")
    _set(value, path, (wanted.get("spec") or {}).get("replicas", 0))
    writes.check_version(call.kind, wanted, old, needed=False)
    by = writes.writer(session, call.kind, call.manager, "scale")
    draft = writes.updated(call.kind, old, value, by)
    draft.dry_run = call.dry_run
    return answer(_view(call.kind, writes.replace(session, draft)))


def _view(kind: Kind, value: JsonObject) -> JsonObject:
    metadata = value["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    spec = _get(value, kind.scale.get("specReplicasPath", ".spec.replicas")) or 0
    status = _get(value, kind.scale.get("statusReplicasPath", ".status.replicas")) or 0
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "spec": {"replicas": spec},
        "status": {"replicas": status},
    }


def _get(value: Any, path: str) -> Any:
    for name in path.strip(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _set(value: JsonObject, path: str, replicas: object) -> None:
    *above, last = path.strip(".").split(".")
    for name in above:
        value = value.setdefault(name, {})
    value[last] = replicas

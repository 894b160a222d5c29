"""Recreating records from live objects, and reading the live side of a record.

Label and ownership on the objects are the truth (docs/semantics.md 3); records are what makes
deletes ordered and drift precise. Rebuilding loses nothing that a plan depends on.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from planner.decide import Seen
from planner.holder import fleet_lock
from planner.refresh import Reader
from planner.render import Scopes, declared_kinds, render
from planner.resolve import FLEET_LABEL, TEMPLATE_LABEL
from planner.standing import seen
from planner.units import assign, is_workload
from planner.workspace import Workspace
from providers.base import references
from providers.capi import made_by_topology
from providers.kube.client import KubeClient
from providers.registry import rules
from providers.secrets import extract, hidden_paths, sensitive, told_by_kind
from state.errors import ClusterformError
from state.fields import MISSING, leaves, own_entry, trie, value_at
from state.fingerprint import path_key
from state.live import Absent, Observation, Present, Unreadable
from state.recorded import Recorded, Records
from state.resource import FieldPath, JsonObject, ResourceId, canonical, digest


def observe(workspace: Workspace, recorded: Recorded) -> Observation:
    """The live object of a record, three-valued."""
    api = workspace.kube.api(recorded.id.cluster)
    if not isinstance(api, KubeClient):
        return Unreadable(recorded.id, api.reason)
    how = api.find(recorded.id.group_kind)
    if how is None:
        return Absent(recorded.id)
    return api.get(recorded.id, recorded.version, how[1])


def rebuild(workspace: Workspace) -> int:
    """Replace the records by what the live objects say; returns how many there are.

    Takes the lock: no apply may run meanwhile. Raises when a kind could not be read, because its
    objects would be forgotten.
    """
    ids = workspace.ids
    run = ids.run_id()
    lock = fleet_lock(workspace, run, "state rebuild")
    lock.acquire(wait=0, sleep=ids.sleep)
    try:
        records = _from_live(workspace)
        for name in workspace.managements():
            mine = {i: r for i, r in records.items() if i.cluster.partition("/")[0] == name}
            store = workspace.record_store(name)
            store.write(mine, epoch=lock.epoch(name), by=run, anew=True)
    finally:
        lock.release()
    return len(records)


def _from_live(workspace: Workspace) -> Records:
    scopes = Scopes()
    live = _read_everything(workspace, scopes).live
    unreadable = [f"{k.kind} in {c}: {why}" for (c, k), why in live.unreadable.items()]
    unreadable += [f"{cluster}: {why}" for cluster, why in live.closed.items()]
    if unreadable:
        raise ClusterformError(
            "unreadable",
            "not everything could be read, and what is not seen would be forgotten",
            detail="\n".join(sorted(unreadable)[:10]),
            hint="a rebuild needs the right to list every kind; nothing was changed",
        )
    fleet = workspace.fleet_name
    mine = [p for p in live.objects.values() if seen(p, fleet) is Seen.OURS]
    mine = [p for p in mine if not made_by_topology(p.id.group_kind, p.labels)]
    units = assign((), mine)
    hidden = _hidden(workspace, scopes)
    return {p.id: _record(p, units[p.id], hidden.get(_named(p), ())) for p in mine}


def _hidden(workspace: Workspace, scopes: Scopes) -> dict[ResourceId, tuple[FieldPath, ...]]:
    """Where renders of Git put secret values."""
    resources = render(workspace.loaded.documents, scopes).resources
    return {
        r.id: tuple(path for path, _ in r.secrets if not told_by_kind(r.id, path))
        for r in resources
        if r.secrets
    }


def _named(present: Present) -> ResourceId:
    """Its id in Git, where a template has the name of a generation."""
    logical = present.labels.get(TEMPLATE_LABEL)
    return msgspec.structs.replace(present.id, name=logical) if logical else present.id


def _read_everything(workspace: Workspace, scopes: Scopes) -> Reader:
    """Every served kind of every cluster, by our label."""
    declared_kinds(workspace.loaded.documents, scopes)
    reader = Reader(workspace.kube, scopes, selector=f"{FLEET_LABEL}={workspace.fleet_name}")
    for management in workspace.managements():
        _read_cluster(reader, management)
    clusters = sorted(
        f"{i.cluster}/{i.namespace}/{i.name}"
        for i in reader.live.objects
        if i.kind == "Cluster" and not is_workload(i.cluster)
    )
    for cluster in clusters:
        _read_cluster(reader, cluster)
    return reader


def _read_cluster(reader: Reader, cluster: str) -> None:
    client = reader.client(cluster)
    if client is None:
        return
    chosen: dict[tuple[str, str], str] = {}
    for version in client.api_versions():
        for kind in client.served(version):
            chosen.setdefault((version.rpartition("/")[0], kind), version)
    reader.read((cluster, version, kind) for (_, kind), version in chosen.items())


def _record(present: Present, unit: str, secret: tuple[FieldPath, ...]) -> Recorded:
    """What apply would have recorded: sensitive values are taken out before anything is hashed.

    An atomic list is one leaf and may hold some (`spec.files` of a KubeadmConfig).
    """
    entry = own_entry(present)
    id_ = present.id
    body: JsonObject = msgspec.json.decode(canonical(present.body))
    extract(id_.group, id_.kind, body, sensitive(id_.group, id_.kind))
    hidden = hidden_paths(id_, present.body, present.body, (), secret)
    owned = leaves(trie(entry)) if entry else ()
    paths = [p for p in owned if not _under(p, hidden) and value_at(body, p) is not MISSING]
    targets = {r.target for r in references(present.body, id_, rules(id_.group, id_.kind))}
    return Recorded(
        id=id_,
        version=entry.api_version if entry else present.version,
        uid=present.uid,
        unit=unit,
        logical=present.labels.get(TEMPLATE_LABEL, ""),
        leaves={path_key(p): digest(canonical(value_at(body, p)))[:16] for p in sorted(paths)},
        hidden=secret,
        depends_on=tuple(sorted(targets)),
    )


def _under(path: FieldPath, hidden: Collection[FieldPath]) -> bool:
    return any(path[:length] in hidden for length in range(1, len(path) + 1))

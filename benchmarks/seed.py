"""A fleet that is live without having been applied: rows of a few clusters, copied under new names.

The first clusters are applied by the application itself. The others get copies of their objects,
managedFields included, and of their records, so that a plan cannot tell the difference.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec

from benchmarks import fleets
from planner import app
from planner.app import ApplyOptions
from planner.workspace import Workspace
from providers.kube.sandbox.server import MANAGEMENT
from providers.kube.sandbox.session import Session
from state.recorded import Recorded, Records
from state.resource import JsonObject

APPLIED = fleets.TEAMS
"""Clusters that are really applied: one in each namespace."""
_MANAGEMENT_CLUSTER = "mgmt"


def seed(root: Path, clusters: int) -> None:
    """A committed fleet whose every object is live and recorded."""
    fleets.make(root, min(APPLIED, clusters))
    workspace = Workspace(root, controllers=False)
    plan = app.plan(workspace)
    app.apply(workspace, plan, None, ApplyOptions(wait=False), lambda _: None, lambda _: None)
    if clusters > APPLIED:
        fleets.add(root, APPLIED, clusters)
        with workspace.sandbox(_MANAGEMENT_CLUSTER).session(MANAGEMENT) as session:
            uids = _copy_objects(session, clusters)
        _copy_records(workspace, clusters, uids)
    workspace.sandbox(_MANAGEMENT_CLUSTER).close()


def _renamed(text: str, number: int) -> str:
    return text.replace(fleets.names(number % APPLIED)[1], fleets.names(number)[1])


def _copy_objects(session: Session, clusters: int) -> dict[tuple[str, str, str], str]:
    """Returns the new uids by plural, namespace and name."""
    uids = {}
    for group, plural, namespace, name, text in _patterns(session):
        kind = session.at((group, plural, namespace, name))
        assert kind is not None
        first = int(name[1:6])
        for number in range(first + APPLIED, clusters, APPLIED):
            value: JsonObject = msgspec.json.decode(_renamed(text, number))
            metadata = value["metadata"]
            metadata["uid"] = str(uuid.uuid4())
            session.data.put(
                session.server,
                (group, plural, namespace, metadata["name"]),
                value,
                "ADDED",
                None,
            )
            uids[kind.kind, namespace, metadata["name"]] = metadata["uid"]
    return uids


def _patterns(session: Session) -> list[tuple[str, str, str, str, str]]:
    return [
        (row.group, row.plural, row.namespace, row.name, "{" + row.body.decode())
        for row in session.data.rows(MANAGEMENT)
        if row.namespace.startswith("team-") and row.name[:1] == "c" and row.name[1:6].isdigit()
    ]


def _copy_records(
    workspace: Workspace, clusters: int, uids: dict[tuple[str, str, str], str]
) -> None:
    heads, known = workspace.records()
    records: Records = dict(known)
    for found in known.values():
        if not found.id.namespace.startswith("team-"):
            continue
        text = msgspec.json.encode(found).decode()
        for number in range(int(found.id.name[1:6]) + APPLIED, clusters, APPLIED):
            fresh = msgspec.json.decode(_renamed(text, number), type=Recorded)
            key = (fresh.id.kind, fresh.id.namespace, fresh.id.name)
            records[fresh.id] = msgspec.structs.replace(fresh, uid=uids[key])
    epoch = heads[_MANAGEMENT_CLUSTER].epoch
    workspace.record_store(_MANAGEMENT_CLUSTER).write(records, epoch=epoch + 1)


# ---------------------------------------------------------------- machines


def machines(root: Path, clusters: int, per_cluster: int, pools: int = 2) -> int:
    """Machines, their infrastructure and MachineSets, as a provider would have made them."""
    workspace = Workspace(root, controllers=False)
    file = workspace.sandbox(_MANAGEMENT_CLUSTER)
    total = 0
    with file.session(MANAGEMENT) as session:
        for number in range(clusters):
            namespace, name = fleets.names(number)
            for pool in range(pools):
                owner = f"{name}-md{pool}"
                _store(session, _machine_set(namespace, name, owner, per_cluster // pools))
                for index in range(per_cluster // pools):
                    for body in _machine(namespace, name, owner, f"{owner}-{index:03d}"):
                        _store(session, body)
                    total += 1
    file.close()
    return total


def _store(session: Session, body: JsonObject) -> None:
    group = body["apiVersion"].rpartition("/")[0]
    plural = f"{body['kind'].lower()}s"
    metadata = body["metadata"]
    metadata["uid"] = str(uuid.uuid4())
    metadata["resourceVersion"] = "1"
    where = (group, plural, metadata["namespace"], metadata["name"])
    session.data.put(session.server, where, body, "ADDED", None)


_CORE = "cluster.x-k8s.io/v1beta2"
_INFRASTRUCTURE = "infrastructure.cluster.x-k8s.io"
_TRUE = ("Ready", "Available", "UpToDate", "BootstrapConfigReady", "InfrastructureReady", "Paused")


def _metadata(namespace: str, cluster: str, pool: str, name: str) -> JsonObject:
    return {
        "name": name,
        "namespace": namespace,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "generation": 1,
        "labels": {
            "cluster.x-k8s.io/cluster-name": cluster,
            "cluster.x-k8s.io/deployment-name": pool,
            "cluster.x-k8s.io/set-name": f"{pool}-abcde",
        },
        "managedFields": [
            {
                "manager": "manager",
                "operation": "Update",
                "apiVersion": _CORE,
                "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {".": {}, "f:cluster.x-k8s.io/set-name": {}}},
                    "f:status": {"f:conditions": {f'k:{{"type":"{t}"}}': {} for t in _TRUE}},
                },
            }
        ],
    }


def _template(cluster: str, pool: str, machine: str) -> JsonObject:
    return {
        "clusterName": cluster,
        "version": "v1.35.2",
        "bootstrap": {"dataSecretName": machine},
        "infrastructureRef": {
            "apiGroup": _INFRASTRUCTURE,
            "kind": "DevMachine",
            "name": machine or pool,
        },
    }


def _machine(namespace: str, cluster: str, pool: str, name: str) -> tuple[JsonObject, JsonObject]:
    conditions = [
        {
            "type": t,
            "status": "False" if t == "Paused" else "True",
            "reason": t,
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for t in _TRUE
    ]
    machine = {
        "apiVersion": _CORE,
        "kind": "Machine",
        "metadata": _metadata(namespace, cluster, pool, name),
        "spec": {**_template(cluster, pool, name), "providerID": f"dev:////{name}"},
        "status": {"phase": "Running", "conditions": conditions, "nodeRef": {"name": name}},
    }
    infrastructure = {
        "apiVersion": f"{_INFRASTRUCTURE}/v1beta2",
        "kind": "DevMachine",
        "metadata": {
            **_metadata(namespace, cluster, pool, name),
            "annotations": {
                "cluster.x-k8s.io/cloned-from-name": pool,
                "cluster.x-k8s.io/cloned-from-groupkind": f"DevMachineTemplate.{_INFRASTRUCTURE}",
            },
        },
        "spec": {"providerID": f"dev:////{name}", "backend": {"inMemory": {}}},
    }
    return machine, infrastructure


def _machine_set(namespace: str, cluster: str, pool: str, replicas: int) -> JsonObject:
    return {
        "apiVersion": _CORE,
        "kind": "MachineSet",
        "metadata": _metadata(namespace, cluster, pool, f"{pool}-abcde"),
        "spec": {
            "clusterName": cluster,
            "replicas": replicas,
            "selector": {"matchLabels": {"cluster.x-k8s.io/deployment-name": pool}},
            "template": {"spec": _template(cluster, pool, "")},
        },
        "status": {"replicas": replicas, "readyReplicas": replicas, "upToDateReplicas": replicas},
    }

"""Cluster API's kinds under their real definitions, without its webhooks and controllers."""

from __future__ import annotations

from tests.contract.traces.language import (
    Json,
    apply,
    delete,
    get,
    list_of,
    merge,
    owned_by,
    thing,
    topic,
    trace,
    uid,
    until_gone,
    version,
    watch,
)


def reference(kind: str, name: str, group: str) -> Json:
    """A contract-versioned reference."""
    return {"apiGroup": group, "kind": kind, "name": name}


INFRASTRUCTURE, BOOTSTRAP = "infrastructure.cluster.x-k8s.io", "bootstrap.cluster.x-k8s.io"


def cluster(metadata: Json = None, **spec: Json) -> Json:
    """A cluster without a class."""
    given = {
        "clusterNetwork": {"pods": {"cidrBlocks": ["192.168.0.0/16"]}},
        "infrastructureRef": reference("DevCluster", "a", INFRASTRUCTURE),
    }
    return thing("Cluster", metadata=metadata, spec={**given, **spec})


def workers(metadata: Json = None, template: Json = None, **spec: Json) -> Json:
    """A pool of machines."""
    machine = {
        "clusterName": "a",
        "version": "v1.35.0",
        "bootstrap": {"configRef": reference("KubeadmConfigTemplate", "a", BOOTSTRAP)},
        "infrastructureRef": reference("DevMachineTemplate", "a", INFRASTRUCTURE),
        **(template or {}),
    }
    given = {
        "clusterName": "a",
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": machine},
    }
    return thing("MachineDeployment", metadata=metadata, spec={**given, **spec})


def machine_template(name: str = "a", **docker: Json) -> Json:
    """A template of machines in memory of a container."""
    return thing(
        "DevMachineTemplate",
        name,
        spec={"template": {"spec": {"backend": {"docker": docker}}}},
    )


def bootstrap_template(**spec: Json) -> Json:
    """A template of bootstrap configurations."""
    return thing("KubeadmConfigTemplate", spec={"template": {"spec": spec}})


READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
SINCE = {"lastTransitionTime": "2020-01-01T00:00:00Z"}

TRACES = topic(
    "Cluster API kinds",
    trace(
        "a Cluster is applied twice and changed",
        apply(cluster()),
        apply(cluster()),
        apply(cluster(paused=True)),
        apply(cluster()),
    ),
    trace(
        "a MachineDeployment is scaled by somebody else",
        apply(workers()),
        merge(workers(), {"spec": {"replicas": 5}}, "autoscaler"),
        apply(workers()),
        apply(workers(), force=True),
    ),
    trace(
        "a MachineDeployment goes over to another template",
        apply(workers()),
        apply(
            workers(
                template={"infrastructureRef": reference("DevMachineTemplate", "b", INFRASTRUCTURE)}
            ),
            dry=True,
        ),
        apply(
            workers(
                template={"infrastructureRef": reference("DevMachineTemplate", "b", INFRASTRUCTURE)}
            )
        ),
    ),
    trace(
        "topology variables and pools are merged by name",
        apply(
            cluster(
                topology={
                    "classRef": {"name": "c"},
                    "version": "v1.35.0",
                    "variables": [{"name": "x", "value": {"a": 1}}, {"name": "y", "value": "s"}],
                    "workers": {
                        "machineDeployments": [
                            {"class": "w", "name": "one", "replicas": 1},
                            {"class": "w", "name": "two", "replicas": 2},
                        ]
                    },
                }
            ),
            "one",
        ),
        apply(
            thing(
                "Cluster",
                spec={
                    "topology": {
                        "classRef": {"name": "c"},
                        "version": "v1.35.0",
                        "workers": {"machineDeployments": [{"name": "one", "replicas": 4}]},
                    }
                },
            ),
            "two",
        ),
        apply(
            thing(
                "Cluster",
                spec={
                    "topology": {
                        "classRef": {"name": "c"},
                        "version": "v1.35.0",
                        "variables": [{"name": "z", "value": True}],
                    }
                },
            ),
            "two",
        ),
    ),
    trace(
        "a controller writes status and conditions",
        apply(cluster()),
        merge(
            cluster(),
            {"status": {"phase": "Provisioned", "conditions": [{**READY, **SINCE}]}},
            "manager",
            sub="status",
        ),
        apply(cluster()),
        apply(
            thing(
                "Cluster",
                status={"conditions": [{**READY, **SINCE, "status": "False"}]},
            ),
            "second",
            sub="status",
        ),
        apply(cluster(paused=True)),
    ),
    trace(
        "templates are owned and go with their owner",
        apply(cluster()),
        apply(
            {
                **machine_template(),
                "metadata": {"namespace": "$ns", "name": "a", **owned_by("Cluster", "a", 1)},
            }
        ),
        delete(cluster()),
        until_gone(machine_template()),
    ),
    trace(
        "a Cluster with a finalizer is held and guarded",
        apply(cluster(metadata={"finalizers": ["cluster.cluster.x-k8s.io"]})),
        delete(cluster(), preconditions={"uid": uid(1), "resourceVersion": version(1)}),
        delete(cluster(), preconditions={"uid": uid(1), "resourceVersion": version(1)}),
        apply(cluster(metadata={"finalizers": ["cluster.cluster.x-k8s.io"]})),
        merge(cluster(), {"metadata": {"finalizers": None}}),
        watch("Cluster", version(1), 2),
    ),
    trace(
        "a machine template and a bootstrap template",
        apply(
            machine_template(
                customImage="i", extraMounts=[{"hostPath": "/a", "containerPath": "/b"}]
            )
        ),
        apply(machine_template(customImage="j")),
        apply(
            bootstrap_template(
                joinConfiguration={
                    "nodeRegistration": {
                        "kubeletExtraArgs": [
                            {"name": "a", "value": "1"},
                            {"name": "b", "value": "2"},
                        ]
                    }
                },
                files=[{"path": "/f", "content": "x"}],
                preKubeadmCommands=["a", "b"],
            )
        ),
        apply(
            bootstrap_template(
                joinConfiguration={
                    "nodeRegistration": {"kubeletExtraArgs": [{"name": "a", "value": "2"}]}
                },
            ),
            "two",
        ),
    ),
    trace(
        "the paths and lists of a MachineDeployment have owners of their own",
        apply(workers(), "one"),
        apply(
            thing(
                "MachineDeployment",
                metadata={"annotations": {"a": "b"}},
                spec={
                    "clusterName": "a",
                    "rollout": {"strategy": {"type": "OnDelete"}},
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {
                        "metadata": {"labels": {"c": "d"}},
                        "spec": {
                            "clusterName": "a",
                            "readinessGates": [{"conditionType": "a/b"}],
                            "deletion": {"nodeDrainTimeoutSeconds": 5},
                            **workers()["spec"]["template"]["spec"],
                        },
                    },
                },
            ),
            "two",
        ),
        apply(workers(), "one"),
        apply(workers(replicas=0), "one"),
        get(workers()),
    ),
    trace(
        "what the definitions refuse",
        apply(cluster(bogus=1)),
        apply(workers(clusterName="")),
        apply(workers(replicas="2")),
        apply(thing("MachineDeployment", spec={"clusterName": "a"})),
        apply(thing("Cluster", spec={})),
        apply(workers(template={"minReadySeconds": -1})),
        apply(thing("Cluster", "Bad", spec={"paused": True})),
        get(thing("Cluster")),
    ),
    trace(
        "references must be whole",
        apply(cluster(infrastructureRef={"kind": "DevCluster", "name": "a"})),
        apply(cluster(infrastructureRef=reference("devCluster", "a", INFRASTRUCTURE))),
        apply(cluster(infrastructureRef=reference("DevCluster", "A_", INFRASTRUCTURE))),
        apply(cluster(controlPlaneEndpoint={"host": "", "port": 0})),
    ),
    trace(
        "Clusters are listed in pages and by label",
        apply(cluster(metadata={"labels": {"fleet": "f"}})),
        apply(thing("Cluster", "b", spec={"paused": True})),
        list_of("Cluster", limit=1),
        list_of("Cluster", labelSelector="fleet=f"),
    ),
)

"""What a kind adds: defaults and what may not change, of built-in kinds and under a CRD."""

from __future__ import annotations

from tests.contract.traces.language import (
    Json,
    apply,
    create,
    delete,
    get,
    list_of,
    merge,
    put,
    thing,
    topic,
    trace,
    until,
    until_gone,
    version,
    widget,
)
from tests.contract.traces.merging import pod

C = {"name": "c", "image": "registry.test/i:1"}
GROUP = "rbac.authorization.k8s.io"

DEFAULTING = topic(
    "defaulting",
    trace(
        "a Deployment",
        apply(thing("Deployment", spec=pod(C))),
        apply(thing("Deployment", spec=pod(C))),
        apply(thing("Deployment", spec=pod(C, strategy={"type": "Recreate"}))),
    ),
    trace(
        "a DaemonSet with ports, probes, volumes and tolerations",
        apply(
            thing(
                "DaemonSet",
                spec={
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": {
                            "serviceAccountName": "s",
                            "tolerations": [{"operator": "Exists"}],
                            "volumes": [
                                {"name": "e"},
                                {"name": "c", "configMap": {"name": "c"}},
                                {"name": "s", "secret": {"secretName": "s"}},
                                {"name": "h", "hostPath": {"path": "/h"}},
                            ],
                            "containers": [
                                {
                                    **C,
                                    "image": "i",
                                    "ports": [{"containerPort": 80}],
                                    "livenessProbe": {"httpGet": {"port": 80}},
                                    "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                                    "env": [
                                        {
                                            "name": "N",
                                            "valueFrom": {
                                                "fieldRef": {"fieldPath": "spec.nodeName"}
                                            },
                                        }
                                    ],
                                }
                            ],
                        },
                    },
                },
            )
        ),
    ),
    trace(
        "a StatefulSet",
        apply(thing("StatefulSet", spec=pod(C, serviceName="s"))),
    ),
    trace(
        "a Job and a CronJob",
        create(
            thing(
                "Job",
                spec={"template": {"spec": {"restartPolicy": "Never", "containers": [C]}}},
            )
        ),
        apply(
            thing(
                "CronJob",
                spec={
                    "schedule": "0 0 * * *",
                    "jobTemplate": {
                        "spec": {
                            "template": {"spec": {"restartPolicy": "Never", "containers": [C]}}
                        }
                    },
                },
            )
        ),
    ),
    trace(
        "Services of several types",
        apply(thing("Service", spec={"ports": [{"port": 80}], "selector": {"a": "b"}})),
        apply(thing("Service", "none", spec={"clusterIP": "None", "selector": {"a": "b"}})),
        apply(thing("Service", "node", spec={"type": "NodePort", "ports": [{"port": 80}]})),
        apply(thing("Service", "name", spec={"type": "ExternalName", "externalName": "e.test"})),
        apply(thing("Service", "balancer", spec={"type": "LoadBalancer", "ports": [{"port": 80}]})),
    ),
    trace(
        "Secrets",
        apply(thing("Secret", data={"a": "MQ=="})),
        apply(thing("Secret", "b", type="cluster.x-k8s.io/secret", data={})),
        apply(thing("Secret", "c", stringData={"a": "1"})),
        create(thing("Secret", "d", stringData={"a": "1"}, data={"b": "Mg=="})),
    ),
    trace(
        "roles and bindings",
        apply(
            thing(
                "RoleBinding",
                roleRef={"apiGroup": GROUP, "kind": "Role", "name": "r"},
                subjects=[
                    {"kind": "User", "name": "u"},
                    {"kind": "ServiceAccount", "name": "s", "namespace": "$ns"},
                ],
            )
        ),
        apply(thing("Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])),
        apply(thing("ClusterRole", "$ns-r", rules=[{"nonResourceURLs": ["/x"], "verbs": ["get"]}])),
    ),
    trace(
        "a NetworkPolicy",
        apply(
            thing(
                "NetworkPolicy",
                spec={"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]},
            )
        ),
    ),
    trace(
        "a namespace",
        create(thing("Namespace", "$ns-two")),
    ),
    trace(
        "fields of a custom resource, inside maps and lists too",
        apply(widget(str="a")),
        apply(widget("b", opt={}, lm=[{"name": "x"}], lm2=[{"port": 1}], nuld=None)),
        create(widget("c", bdef=None, sdef="", nest={"other": "o"}, structA={})),
        merge(widget("c"), {"spec": {"sdef": None, "nest": None}}),
    ),
    trace(
        "unknown fields below preserve-unknown-fields are kept",
        apply(widget(pu={"a": {"b": [1, "x", None]}, "c": 1.5})),
        apply(widget(pu={"a": {"d": 1}}), "two"),
        apply(widget(pu={"a": {"b": [1, "x", None]}, "c": 1.5})),
    ),
    trace(
        "a priority class counts a generation",
        apply(thing("PriorityClass", "$ns-p", value=5)),
        apply(thing("PriorityClass", "$ns-p", value=5, description="d")),
    ),
)


def _without(field: str) -> Json:
    spec = pod(C)
    del spec[field]
    return spec


IMMUTABILITY = topic(
    "immutability",
    trace(
        "the selector of a Deployment",
        apply(thing("Deployment", spec=pod(C))),
        apply(
            thing(
                "Deployment",
                spec={
                    "selector": {"matchLabels": {"a": "c"}},
                    "template": {
                        "metadata": {"labels": {"a": "c"}},
                        "spec": {"containers": [C]},
                    },
                },
            )
        ),
        merge(thing("Deployment"), {"spec": {"template": {"metadata": {"labels": {"a": "x"}}}}}),
    ),
    trace(
        "a Deployment without what it cannot do without",
        apply(thing("Deployment", spec=_without("selector"))),
        apply(thing("Deployment", spec=pod())),
        apply(thing("Deployment", spec=pod({"name": "c"}))),
        apply(thing("Deployment", spec={**pod(C), "selector": {"matchLabels": {"x": "y"}}})),
        apply(thing("Deployment", spec=pod(C, replicas=-1))),
    ),
    trace(
        "a ConfigMap and a Secret that are immutable",
        apply(thing("ConfigMap", data={"a": "1"}, immutable=True)),
        apply(thing("ConfigMap", data={"a": "2"}, immutable=True)),
        apply(thing("ConfigMap", data={"a": "1"})),
        apply(thing("ConfigMap", metadata={"labels": {"a": "b"}}, data={"a": "1"}, immutable=True)),
        apply(thing("Secret", data={"a": "MQ=="}, immutable=True)),
        apply(thing("Secret", data={"a": "Mg=="}, immutable=True)),
    ),
    trace(
        "the type of a Secret",
        apply(thing("Secret", type="Opaque")),
        apply(thing("Secret", type="other.test/x")),
        apply(thing("Secret", "t", type="kubernetes.io/tls", data={"tls.crt": ""})),
    ),
    trace(
        "the role of a binding",
        apply(thing("RoleBinding", roleRef={"apiGroup": GROUP, "kind": "Role", "name": "r"})),
        apply(thing("RoleBinding", roleRef={"apiGroup": GROUP, "kind": "Role", "name": "s"})),
        apply(thing("RoleBinding", "b", subjects=[])),
    ),
    trace(
        "the address of a Service",
        apply(thing("Service", spec={"ports": [{"port": 80}]})),
        merge(thing("Service"), {"spec": {"clusterIP": "None"}}),
        apply(thing("Service", spec={"ports": [{"port": 80}], "type": "ExternalName"})),
        apply(thing("Service", "b", spec={"ports": [{"port": 0}]})),
        apply(thing("Service", "b", spec={"ports": [{"port": 1}, {"port": 2}]})),
    ),
    trace(
        "identity and times",
        create(thing("ConfigMap", data={"a": "1"})),
        merge(thing("ConfigMap"), {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}}),
        merge(thing("ConfigMap"), {"metadata": {"generation": 5}}),
        merge(thing("ConfigMap"), {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}}),
        merge(thing("ConfigMap"), {"metadata": {"uid": "x"}}),
        merge(thing("ConfigMap"), {"metadata": {"namespace": "elsewhere"}}),
    ),
    trace(
        "the pod template of a Job and the parts of a StatefulSet",
        create(
            thing("Job", spec={"template": {"spec": {"restartPolicy": "Never", "containers": [C]}}})
        ),
        merge(thing("Job"), {"spec": {"completions": 3}}),
        apply(thing("StatefulSet", spec=pod(C, serviceName="s"))),
        apply(thing("StatefulSet", spec=pod(C, serviceName="t"))),
    ),
    trace(
        "the value of a priority class",
        apply(thing("PriorityClass", "$ns-p", value=5)),
        apply(thing("PriorityClass", "$ns-p", value=6)),
    ),
)


def _definition(
    name: str = "gears.$ns.test", *, spec: Json = None, metadata: Json = None, **over: Json
) -> Json:
    fields = {"size": {"type": "integer", "default": 1}, "note": {"type": "string"}}
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {**fields, **(spec or {})}}},
    }
    version_ = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return thing(
        "CustomResourceDefinition",
        name,
        metadata=metadata,
        spec={
            "group": "$ns.test",
            "scope": "Namespaced",
            "names": {"plural": "gears", "kind": "Gear"},
            "versions": [version_],
            **over,
        },
    )


SERVED = until(_definition(), "status", "conditions", 1, "status", is_="True")
GEAR = thing("Gear", spec={"note": "n"})

DEFINITIONS = topic(
    "CRD then CR",
    trace(
        "an object can be made once its kind is there",
        apply(GEAR),
        apply(_definition()),
        SERVED,
        apply(GEAR),
        apply(GEAR),
        list_of("Gear"),
    ),
    trace(
        "a definition and its status",
        create(_definition()),
        SERVED,
    ),
    trace(
        "a new field with a default appears in what is stored",
        apply(_definition()),
        SERVED,
        apply(GEAR),
        apply(_definition(spec={"colour": {"type": "string", "default": "red"}})),
        until(GEAR, "spec", "colour", is_="red"),
        apply(GEAR),
        apply(GEAR),
    ),
    trace(
        "a definition takes its objects along",
        apply(_definition()),
        SERVED,
        apply(thing("Gear", metadata={"finalizers": ["a.b/c"]}, spec={"note": "n"})),
        delete(_definition()),
        until(GEAR, "metadata", "deletionGracePeriodSeconds", is_=0),
        merge(GEAR, {"metadata": {"finalizers": None}}),
        until_gone(_definition()),
    ),
    trace(
        "a definition without a status endpoint keeps status as a field",
        apply(_definition()),
        SERVED,
        create(thing("Gear", spec={"note": "n"}, status={"a": "b"})),
        get(GEAR, "status"),
    ),
    trace(
        "definitions that make no sense are refused",
        apply(_definition("other.$ns.test")),
        apply(_definition(scope="Wide")),
        apply(_definition(versions=[])),
        apply(_definition(group="x")),
    ),
    trace(
        "definitions with a schema that makes no sense are refused",
        apply(
            _definition(spec={"l": {"type": "array", "x-kubernetes-list-type": "map"}}),
        ),
        apply(_definition(spec={"l": {"type": "string", "default": 1}})),
    ),
    trace(
        "what may not change in a definition",
        apply(_definition()),
        SERVED,
        apply(_definition(scope="Cluster")),
        merge(_definition(), {"spec": {"names": {"kind": "Wheel"}}}),
        put(_definition(metadata={"resourceVersion": version(2)})),
    ),
)

TRACES = (*DEFAULTING, *IMMUTABILITY, *DEFINITIONS)

"""Values: associative lists, sets, atomic lists and maps, labels, patches."""

from __future__ import annotations

from tests.contract.traces.language import (
    Json,
    apply,
    config,
    create,
    get,
    json_patch,
    merge,
    put,
    thing,
    topic,
    trace,
    version,
    widget,
)

X, Y, Z = ({"name": name, "port": port} for name, port in (("x", 1), ("y", 2), ("z", 3)))


def pod(*containers: Json, **more: Json) -> Json:
    """The spec of a workload with these containers."""
    return {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": list(containers)}},
        **more,
    }


LISTS = topic(
    "list merges",
    trace(
        "items of two managers stand in one associative list",
        apply(widget(lm=[X, Y]), "one"),
        apply(widget(lm=[Z]), "two"),
        apply(widget(lm=[Y]), "one"),
        apply(widget(lm=[]), "one"),
        get(widget()),
    ),
    trace(
        "the order of the applied list is kept among the items of others",
        apply(widget(lm=[X, Y]), "one"),
        apply(widget(lm=[Z, X]), "two"),
        apply(widget(lm=[Y, X]), "one"),
        apply(widget(lm=[Y, X]), "one"),
    ),
    trace(
        "an item without its key is refused, one with a defaulted key is not",
        apply(widget(lm=[{"port": 1}])),
        apply(widget(lm2=[{"port": 1}, {"port": 1, "protocol": "UDP"}])),
        apply(widget(lm2=[{"port": 1, "protocol": "TCP", "note": "n"}])),
    ),
    trace(
        "an item's fields have owners of their own",
        apply(widget(lm=[X]), "one"),
        apply(widget(lm=[{"name": "x", "mode": "manual"}]), "two"),
        apply(widget(lm=[{"name": "x", "mode": "manual"}]), "two", force=True),
        apply(thing("Widget", spec={}), "one"),
    ),
    trace(
        "values of two managers stand in one set",
        apply(widget(set=["a", "b"]), "one"),
        apply(widget(set=["c", "a"]), "two"),
        apply(widget(set=["b"]), "one"),
        apply(widget(iset=[3, 1, 2]), "one", force=True),
    ),
    trace(
        "ports of a Service are one item each",
        apply(
            thing(
                "Service",
                spec={
                    "selector": {"a": "b"},
                    "ports": [{"name": "h", "port": 80}, {"name": "s", "port": 443}],
                },
            ),
            "one",
        ),
        apply(thing("Service", spec={"ports": [{"name": "m", "port": 9}]}), "two"),
        apply(
            thing("Service", spec={"selector": {"a": "b"}, "ports": [{"name": "h", "port": 80}]}),
            "one",
        ),
    ),
    trace(
        "containers and their environment are merged by name",
        apply(
            thing(
                "Deployment",
                spec=pod({"name": "c", "image": "i:1", "env": [{"name": "A", "value": "1"}]}),
            ),
            "one",
        ),
        apply(
            thing(
                "Deployment",
                spec={
                    "template": {
                        "spec": {
                            "containers": [{"name": "c", "env": [{"name": "B", "value": "2"}]}]
                        }
                    }
                },
            ),
            "two",
        ),
        apply(thing("Deployment", spec=pod({"name": "c", "image": "i:2"})), "one"),
    ),
    trace(
        "an updater that reorders an associative list owns nothing",
        apply(widget(lm=[X, Y]), "one"),
        merge(widget(), {"spec": {"lm": [{**Y, "mode": "auto"}, {**X, "mode": "auto"}]}}),
        apply(widget(lm=[X, Y]), "one"),
    ),
)

ATOMIC = topic(
    "atomic lists",
    trace(
        "an atomic list has one owner and is replaced as a whole",
        apply(widget(listAtomic=["a", "b"]), "one"),
        apply(widget(listAtomic=["a", "b", "c"]), "two"),
        apply(widget(listAtomic=["c"]), "two", force=True),
        apply(widget(str="x"), "two"),
        get(widget()),
    ),
    trace(
        "defaults of an atomic list's items come back at every apply",
        apply(widget(listAtomicObj=[{"a": "1"}])),
        apply(widget(listAtomicObj=[{"a": "1"}])),
        apply(widget(listAtomicObj=[{"a": "1", "d": "dd"}])),
        apply(widget(listAtomicObj=[{"a": "1"}]), "two"),
    ),
    trace(
        "an atomic map is replaced, a granular one merged",
        apply(widget(mapA={"a": "1"}, mapG={"a": "1"}), "one"),
        apply(widget(mapG={"b": "2"}), "two"),
        apply(widget(mapA={"b": "2"}), "two"),
        apply(widget(mapA={"b": "2"}), "two", force=True),
    ),
    trace(
        "an atomic struct with a default inside",
        apply(widget(structA={"a": "1"})),
        apply(widget(structA={"a": "1"})),
        apply(widget(structA={"a": "1"}), "two"),
    ),
    trace(
        "rules of a Role are atomic",
        apply(
            thing("Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
            "one",
        ),
        apply(
            thing("Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]),
            "two",
        ),
        apply(
            thing("Role", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]),
            "two",
            force=True,
        ),
        apply(thing("Role", rules=[]), "two"),
    ),
    trace(
        "the selector of a Service is atomic",
        apply(thing("Service", spec={"selector": {"a": "1"}, "ports": [{"port": 80}]}), "one"),
        apply(thing("Service", spec={"selector": {"b": "2"}}), "two"),
        apply(thing("Service", spec={"selector": {"b": "2"}}), "two", force=True),
    ),
    trace(
        "lists and maps that run empty",
        apply(widget(mapG={"a": "1"}, str="x")),
        apply(widget(mapG={}, str="x")),
        apply(widget(str="x")),
        apply(widget(opt={}, str="x")),
        apply(widget(lm=[X], set=["a"], str="x")),
        apply(widget(lm=[], set=[], str="x")),
    ),
    trace(
        "nulls in an apply",
        apply(widget(nul=None, str="x")),
        apply(widget(nuld=None)),
        apply(widget(str=None)),
        apply(thing("ConfigMap", data=None)),
        apply(thing("ConfigMap", "b", data={"a": None})),
    ),
)

LABELS = topic(
    "label removal",
    trace(
        "a label that is left out is removed",
        apply(config(metadata={"labels": {"a": "1", "b": "2"}})),
        apply(config(metadata={"labels": {"b": "2"}})),
        apply(config()),
        get(config()),
    ),
    trace(
        "a label of somebody else stays",
        apply(config(metadata={"labels": {"a": "1"}}), "one"),
        merge(config(), {"metadata": {"labels": {"b": "2"}}}),
        apply(config(), "one"),
        merge(config(), {"metadata": {"labels": {"b": None}}}),
    ),
    trace(
        "a shared label stays until both let go",
        apply(widget(metadata={"labels": {"a": "1"}}, str="x"), "one"),
        apply(widget(metadata={"labels": {"a": "1"}}), "two"),
        apply(widget(str="x"), "one"),
        apply(thing("Widget"), "two"),
    ),
    trace(
        "empty labels of a custom resource are written again and again",
        apply(widget(metadata={"labels": {}}, str="x")),
        apply(widget(metadata={"labels": {}}, str="x")),
        apply(config("b", metadata={"labels": {}, "annotations": {}})),
        apply(config("b", metadata={"labels": {}, "annotations": {}})),
    ),
    trace(
        "the label that a namespace has by itself comes back",
        apply(thing("Namespace", "$ns-two", metadata={"labels": {"a": "1"}})),
        apply(thing("Namespace", "$ns-two")),
        merge(
            thing("Namespace", "$ns-two"),
            {"metadata": {"labels": {"kubernetes.io/metadata.name": None}}},
        ),
        apply(
            thing(
                "Namespace",
                "$ns-two",
                metadata={"labels": {"kubernetes.io/metadata.name": "other"}},
            )
        ),
    ),
    trace(
        "labels of a pod template are the owner's alone",
        apply(thing("Deployment", spec=pod({"name": "c", "image": "i"})), "one"),
        apply(
            thing(
                "Deployment",
                spec={"template": {"metadata": {"labels": {"c": "d"}}}},
            ),
            "two",
        ),
        apply(thing("Deployment", metadata={"labels": {"e": "f"}}), "two"),
    ),
)

PATCHES = topic(
    "patches and replaces",
    trace(
        "a merge patch sets, removes and leaves alone",
        create(config(a="1", b="2")),
        merge(config(), {"data": {"a": None, "c": "3"}}),
        merge(config(), {"data": None}),
        merge(config(), {}),
    ),
    trace(
        "a merge patch of a list replaces it",
        create(widget(lm=[X, Y], set=["a"])),
        merge(widget(), {"spec": {"lm": [Z]}}),
        merge(widget(), {"spec": {"lm": None, "set": ["a", "b"]}}, "other"),
    ),
    trace(
        "a JSON patch adds, tests, moves and removes",
        create(config(a="1")),
        json_patch(
            config(),
            {"op": "test", "path": "/data/a", "value": "1"},
            {"op": "add", "path": "/data/b~1c", "value": "2"},
            {"op": "remove", "path": "/data/a"},
        ),
        json_patch(config(), {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}),
    ),
    trace(
        "a patch that changes nothing keeps the version",
        create(config(a="1")),
        merge(config(), {"data": {"a": "1"}}),
        put(config(metadata={"resourceVersion": version(1)}, a="1"), "other"),
        get(config()),
    ),
    trace(
        "a replace removes what it leaves out",
        create(widget(metadata={"labels": {"a": "b"}}, str="a", num=1)),
        put(widget(metadata={"resourceVersion": version(1)}, str="a")),
        put(
            thing("Widget", metadata={"resourceVersion": version(2)}, status={"n": 1}), sub="status"
        ),
    ),
    trace(
        "a merge patch of a workload changes one container",
        create(thing("Deployment", spec=pod({"name": "c", "image": "i"}))),
        json_patch(
            thing("Deployment"),
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "j"},
        ),
        merge(thing("Deployment"), {"spec": {"paused": True}}),
        merge(thing("Deployment"), {"spec": {"paused": None}}),
    ),
)

TRACES = (*LISTS, *ATOMIC, *LABELS, *PATCHES)

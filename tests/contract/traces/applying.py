"""Server-side apply: creating, two managers, conflicts, takeovers, dry runs, preconditions."""

from __future__ import annotations

from tests.contract.traces.language import (
    apply,
    config,
    create,
    delete,
    get,
    list_of,
    merge,
    put,
    thing,
    topic,
    trace,
    uid,
    version,
    widget,
)

ZERO = "00000000-0000-0000-0000-000000000000"
X, Y = {"name": "x", "port": 1}, {"name": "y", "port": 2}

CREATE = topic(
    "create",
    trace(
        "an object made by POST is owned by Update",
        create(config(a="1")),
        get(config()),
        create(config(a="2")),
    ),
    trace(
        "an object made by apply is owned by Apply, and the same apply changes nothing",
        apply(config(a="1")),
        apply(config(a="1")),
        get(config()),
    ),
    trace(
        "a custom resource made by apply keeps its version when nothing changes",
        apply(widget(str="a", num=1, flt=1.0)),
        apply(widget(str="a", num=1, flt=1)),
        apply(widget(str="a", num=2, flt=1)),
    ),
    trace(
        "a name is generated from a stem",
        create(thing("ConfigMap", metadata={"name": None, "generateName": "stem-"}, data={})),
        list_of("ConfigMap"),
    ),
    trace(
        "a name or a stem is required",
        create(thing("ConfigMap", metadata={"name": None}, data={})),
    ),
    trace(
        "an object with nothing but a name has no owner",
        apply(thing("ServiceAccount")),
        apply(thing("ServiceAccount")),
        apply(thing("ServiceAccount", metadata={"labels": {"a": "b"}})),
    ),
    trace(
        "status is dropped from an object with a status endpoint",
        create(thing("Widget", spec={"str": "a"}, status={"phase": "Ready"})),
        apply(thing("Widget", "b", spec={"str": "a"}, status={"phase": "Ready"})),
    ),
    trace(
        "a PUT makes a missing object, or not, by its kind",
        put(config(a="1")),
        put(widget(str="a")),
        put(thing("Service", spec={"ports": [{"port": 80}]})),
    ),
    trace(
        "a merge patch makes nothing",
        merge(config(), {"data": {"a": "1"}}),
    ),
)

TWO_MANAGERS = topic(
    "apply by two managers",
    trace(
        "two managers own different keys",
        apply(config(a="1"), "one"),
        apply(config(b="2"), "two"),
        apply(config(a="1"), "one"),
        get(config()),
    ),
    trace(
        "two managers own the same value together, and it stays until both let go",
        apply(config(a="1", b="1"), "one"),
        apply(config(a="1"), "two"),
        apply(config(b="1"), "one"),
        apply(thing("ConfigMap", data={}), "two"),
    ),
    trace(
        "a field is removed when its only manager leaves it out",
        apply(widget(str="a", num=1), "one"),
        apply(widget(flt=0.5), "two"),
        apply(widget(num=1), "one"),
        get(widget()),
    ),
    trace(
        "a manager that applies nothing more loses its entry",
        apply(config(a="1"), "one"),
        apply(config(b="2"), "two"),
        apply(thing("ConfigMap"), "two"),
    ),
    trace(
        "an updater and an applier have entries of their own under one name",
        apply(config(a="1"), "one"),
        merge(config(), {"data": {"b": "2"}}, "one"),
        apply(config(a="1", b="2"), "one"),
        apply(config(a="1", b="3"), "one"),
        apply(config(a="1", b="3"), "one", force=True),
    ),
    trace(
        "labels of two managers stand side by side",
        apply(config(metadata={"labels": {"a": "1"}}), "one"),
        apply(config(metadata={"labels": {"b": "2"}, "annotations": {"c": "3"}}), "two"),
        apply(config(), "one"),
    ),
    trace(
        "the status endpoint has an entry of its own",
        apply(widget(str="a"), "one"),
        apply(thing("Widget", status={"phase": "Ready"}), "two", sub="status"),
        apply(thing("Widget", spec={"str": "b"}, status={"n": 1}), "two", sub="status"),
        merge(widget(), {"status": {"phase": "Gone"}}, "three", sub="status"),
        get(widget()),
    ),
)

CONFLICT = topic(
    "conflict",
    trace(
        "another applier's value is a conflict",
        apply(config(a="1"), "one"),
        apply(config(a="2"), "two"),
        get(config()),
    ),
    trace(
        "an updater's value is a conflict that names its version",
        apply(config(a="1"), "one"),
        merge(config(), {"data": {"a": "2"}}, "editor"),
        apply(config(a="1"), "one"),
    ),
    trace(
        "several fields of two managers are listed by manager",
        apply(widget(str="a", num=1), "one"),
        apply(widget(flt=1.5, lm=[X]), "two"),
        apply(widget(str="b", num=2, flt=2.5, lm=[{"name": "x", "port": 9}]), "three"),
    ),
    trace(
        "an item of an associative list is named by its key",
        apply(
            thing("Service", spec={"selector": {"a": "b"}, "ports": [{"name": "p", "port": 80}]}),
            "one",
        ),
        apply(thing("Service", spec={"ports": [{"name": "q", "port": 80}]}), "two"),
    ),
    trace(
        "a dry run meets the same conflict",
        apply(config(a="1"), "one"),
        apply(config(a="2"), "two", dry=True),
        apply(config(a="2"), "two", dry=True, force=True),
        get(config()),
    ),
    trace(
        "a conflict comes before a stale version",
        apply(config(a="1"), "one"),
        apply(config(metadata={"resourceVersion": "1"}, a="2"), "two"),
        apply(config(metadata={"resourceVersion": "1"}, a="1"), "two"),
    ),
    trace(
        "the status endpoint's owner is named with it",
        apply(widget(str="a"), "one"),
        apply(thing("Widget", status={"phase": "Ready"}), "one", sub="status"),
        apply(thing("Widget", status={"phase": "Gone"}), "two", sub="status"),
    ),
)

TAKEOVER = topic(
    "takeover",
    trace(
        "force takes a field and its owner loses it",
        apply(config(a="1", b="1"), "one"),
        apply(config(a="2"), "two", force=True),
        apply(config(a="1", b="1"), "one"),
        apply(config(b="1"), "one"),
    ),
    trace(
        "a scaled Deployment is taken back",
        apply(
            thing(
                "Deployment",
                spec={
                    "replicas": 2,
                    "selector": {"matchLabels": {"a": "b"}},
                    "template": {
                        "metadata": {"labels": {"a": "b"}},
                        "spec": {"containers": [{"name": "c", "image": "i"}]},
                    },
                },
            )
        ),
        merge(thing("Deployment"), {"spec": {"replicas": 7}}, "scaler"),
        get(thing("Deployment")),
    ),
    trace(
        "force with the same values shares them",
        apply(config(a="1"), "one"),
        apply(config(a="1"), "two", force=True),
        apply(thing("ConfigMap"), "one"),
    ),
    trace(
        "an updater takes a field without asking",
        apply(config(a="1"), "one"),
        put(config(metadata={"resourceVersion": version(1)}, a="2"), "editor"),
        put(config(metadata={"resourceVersion": version(2)}, a="1"), "editor"),
        apply(config(a="1"), "one"),
    ),
    trace(
        "an object without owners is taken from before-first-apply",
        apply(config(a="1"), "one"),
        merge(config(), {"metadata": {"managedFields": [{}]}}, "editor"),
        apply(config(a="2"), "two"),
        apply(config(a="2"), "two", force=True),
        get(config()),
    ),
)

DRY_RUN = topic(
    "dry-run",
    trace(
        "a dry-run create stores nothing",
        apply(config(a="1"), dry=True),
        create(config(a="1"), dry=True),
        get(config()),
    ),
    trace(
        "a dry-run of the same is the live object",
        apply(widget(str="a")),
        apply(widget(str="a"), dry=True),
        get(widget()),
    ),
    trace(
        "a dry-run of a change shows it under the old version",
        apply(widget(str="a")),
        apply(widget(str="b"), dry=True),
        merge(widget(), {"spec": {"str": "c"}}, dry=True),
        put(widget(metadata={"resourceVersion": version(1)}, str="d"), dry=True),
        get(widget()),
    ),
    trace(
        "a dry-run of what is refused is refused",
        apply(widget(qty="12xx"), dry=True),
        apply(config(metadata={"namespace": "$ns-none"}, a="1"), dry=True),
        apply(thing("ConfigMap", data={"a": "1"}, immutable=True)),
        apply(thing("ConfigMap", data={"a": "2"}, immutable=True), dry=True),
    ),
    trace(
        "a dry-run delete deletes nothing",
        apply(config(a="1")),
        delete(config(), dryRun=["All"]),
        get(config()),
    ),
    trace(
        "a value of dryRun other than All is refused",
        create(config(a="1"), dryRun="Some"),
        apply(config(a="1"), dryRun="Some"),
        get(config()),
    ),
)

PRECONDITION = topic(
    "precondition miss",
    trace(
        "apply with the uid and version of the live object is carried out",
        apply(widget(str="a")),
        apply(widget(metadata={"uid": uid(1), "resourceVersion": version(1)}, str="b")),
        apply(widget(metadata={"uid": uid(1), "resourceVersion": version(1)}, str="c")),
        get(widget()),
    ),
    trace(
        "apply with another uid is refused, and a missing object is not made",
        apply(config(a="1")),
        apply(config(metadata={"uid": ZERO}, a="2")),
        apply(config("b", metadata={"uid": ZERO}, a="2")),
        apply(widget(metadata={"uid": ZERO}, str="a")),
    ),
    trace(
        "a version that no object has can only create",
        apply(config(metadata={"resourceVersion": "1"}, a="1")),
        apply(config(metadata={"resourceVersion": "1"}, a="1")),
        apply(widget(metadata={"resourceVersion": "1"}, str="a")),
        apply(widget(metadata={"resourceVersion": "1"}, str="a")),
    ),
    trace(
        "version zero and empty mean no precondition for built-in kinds only",
        apply(config(a="1")),
        apply(config(metadata={"resourceVersion": "0"}, a="2")),
        apply(config(metadata={"resourceVersion": ""}, a="3")),
        apply(widget(str="a")),
        apply(widget(metadata={"resourceVersion": "0"}, str="b")),
        apply(widget(metadata={"resourceVersion": ""}, str="b")),
    ),
    trace(
        "replace needs a current version",
        create(config(a="1")),
        put(config(metadata={"resourceVersion": version(1)}, a="2")),
        put(config(metadata={"resourceVersion": version(1)}, a="3")),
        put(config(a="4")),
        create(widget(str="a")),
        put(widget(str="b")),
    ),
    trace(
        "replace with another uid is refused",
        create(config(a="1")),
        put(config(metadata={"resourceVersion": version(1), "uid": ZERO}, a="2")),
        put(config(metadata={"resourceVersion": version(1), "uid": uid(1)}, a="2")),
    ),
    trace(
        "a merge patch with a version is conditional",
        create(config(a="1")),
        merge(config(), {"metadata": {"resourceVersion": version(1)}, "data": {"a": "2"}}),
        merge(config(), {"metadata": {"resourceVersion": version(1)}, "data": {"a": "3"}}),
    ),
    trace(
        "a version that is no number is refused",
        create(config(a="1")),
        put(config(metadata={"resourceVersion": "x"}, a="2")),
        apply(config(metadata={"resourceVersion": "x"}, a="2")),
        merge(config(), {"metadata": {"resourceVersion": "x"}, "data": {"a": "3"}}),
    ),
)

TRACES = (
    *CREATE,
    *TWO_MANAGERS,
    *CONFLICT,
    *TAKEOVER,
    *DRY_RUN,
    *PRECONDITION,
)

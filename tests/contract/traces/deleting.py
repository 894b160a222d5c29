"""Deletion: finalizers, garbage collection, namespaces, options and preconditions."""

from __future__ import annotations

from tests.contract.traces.language import (
    apply,
    config,
    delete,
    delete_all,
    get,
    list_of,
    merge,
    owned_by,
    thing,
    topic,
    trace,
    uid,
    until,
    until_gone,
    version,
    widget,
)

ZERO = "00000000-0000-0000-0000-000000000000"
HELD = {"finalizers": ["a.b/c"]}
RELEASED = {"metadata": {"finalizers": None}}
SECOND = thing("Namespace", "$ns-two")

FINALIZER = topic(
    "finalizer",
    trace(
        "a finalizer holds the object until it goes",
        apply(config(metadata=HELD, a="1")),
        delete(config()),
        get(config()),
        merge(config(), RELEASED),
        get(config()),
    ),
    trace(
        "a custom resource that is held counts a generation",
        apply(widget(metadata=HELD, str="a")),
        delete(widget()),
        delete(widget()),
        apply(widget(metadata=HELD, str="b")),
        apply(widget(str="b")),
        get(widget()),
    ),
    trace(
        "no finalizer is added to an object that is being deleted",
        apply(config(metadata=HELD, a="1")),
        delete(config()),
        apply(config(metadata={"finalizers": ["a.b/c", "d.e/f"]}, a="1")),
        merge(config(), {"metadata": {"finalizers": ["d.e/f"]}}),
    ),
    trace(
        "finalizers of two managers are a set",
        apply(config(metadata=HELD, a="1"), "one"),
        apply(config(metadata={"finalizers": ["d.e/f"]}), "two"),
        apply(config(a="1"), "one"),
        apply(config(), "two"),
    ),
    trace(
        "a name that is used again is another object",
        apply(config(a="1")),
        delete(config()),
        apply(config(a="1")),
        apply(config(metadata={"uid": uid(1)}, a="2")),
    ),
    trace(
        "a finalizer without a domain is refused or not, by kind",
        apply(config(metadata={"finalizers": ["plain"]}, a="1")),
        apply(widget(metadata={"finalizers": ["plain"]}, str="a")),
    ),
)

COLLECTION = topic(
    "garbage collection",
    trace(
        "a dependent goes after its owner",
        apply(config("owner", a="1")),
        apply(config("mine", metadata=owned_by("ConfigMap", "owner", 1), a="1")),
        delete(config("owner")),
        get(config("owner")),
        until_gone(config("mine")),
    ),
    trace(
        "a dependent of two owners stays until the last goes",
        apply(widget("one", str="a")),
        apply(widget("two", str="a")),
        apply(
            config(
                "both",
                metadata={
                    "ownerReferences": [
                        *owned_by("Widget", "one", 1)["ownerReferences"],
                        *owned_by("Widget", "two", 2)["ownerReferences"],
                    ]
                },
            )
        ),
        delete(widget("one")),
        until(config("both"), "metadata", "ownerReferences", 1, is_=None),
        delete(widget("two")),
        until_gone(config("both")),
    ),
    trace(
        "an orphaned dependent loses the reference",
        apply(widget("owner", str="a")),
        apply(config("left", metadata=owned_by("Widget", "owner", 1))),
        delete(widget("owner"), propagationPolicy="Orphan"),
        until_gone(widget("owner")),
        until(config("left"), "metadata", "ownerReferences", is_=None),
    ),
    trace(
        "an owner deleted in the foreground waits for those that block it",
        apply(config("owner", a="1")),
        apply(
            config(
                "held",
                metadata={
                    **owned_by("ConfigMap", "owner", 1, blockOwnerDeletion=True),
                    **HELD,
                },
            )
        ),
        delete(config("owner"), propagationPolicy="Foreground"),
        until(config("held"), "metadata", "deletionGracePeriodSeconds", is_=0),
        get(config("owner")),
        merge(config("held"), RELEASED),
        until_gone(config("owner")),
    ),
    trace(
        "an owner deleted in the foreground does not wait for those that do not block it",
        apply(config("owner", a="1")),
        apply(config("held", metadata={**owned_by("ConfigMap", "owner", 1), **HELD})),
        delete(config("owner"), propagationPolicy="Foreground"),
        until_gone(config("owner")),
        until(config("held"), "metadata", "deletionGracePeriodSeconds", is_=0),
        merge(config("held"), RELEASED),
    ),
    trace(
        "an owner without dependents deleted in the foreground is gone soon",
        apply(config("owner", a="1")),
        delete(config("owner"), propagationPolicy="Foreground"),
        until_gone(config("owner")),
    ),
    trace(
        "a dependent of an owner that never was goes at once",
        apply(config("owner", a="1")),
        delete(config("owner")),
        apply(config("late", metadata=owned_by("ConfigMap", "owner", 1))),
        until_gone(config("late")),
    ),
    trace(
        "dependents go in a chain",
        apply(config("first", a="1")),
        apply(thing("Secret", "second", metadata=owned_by("ConfigMap", "first", 1))),
        apply(widget("third", metadata=owned_by("Secret", "second", 2), str="a")),
        delete(config("first")),
        until_gone(widget("third")),
        get(thing("Secret", "second")),
    ),
    trace(
        "two controllers of one object are refused",
        apply(config("one", a="1")),
        apply(config("two", a="1")),
        apply(
            config(
                metadata={
                    "ownerReferences": [
                        *owned_by("ConfigMap", "one", 1, controller=True)["ownerReferences"],
                        *owned_by("ConfigMap", "two", 2, controller=True)["ownerReferences"],
                    ]
                },
            )
        ),
    ),
    trace(
        "a namespace takes what it holds with it",
        apply(SECOND),
        apply(config(metadata={"namespace": "$ns-two"}, a="1")),
        delete(SECOND),
        until_gone(SECOND),
        get(config(metadata={"namespace": "$ns-two"})),
    ),
    trace(
        "a namespace that is held terminates and takes nothing new",
        apply(SECOND),
        apply(config(metadata={"namespace": "$ns-two", **HELD}, a="1")),
        delete(SECOND),
        until(
            config(metadata={"namespace": "$ns-two"}),
            "metadata",
            "deletionGracePeriodSeconds",
            is_=0,
        ),
        apply(config("new", metadata={"namespace": "$ns-two"}, a="1")),
        apply(config("new", metadata={"namespace": "$ns-two"}, a="1"), dry=True),
        merge(config(metadata={"namespace": "$ns-two"}), RELEASED),
        until_gone(SECOND),
    ),
)

OPTIONS = topic(
    "delete options",
    trace(
        "a delete answers with a status that names the object",
        apply(config(a="1")),
        delete(config()),
        delete(config()),
        apply(widget(str="a")),
        delete(widget()),
    ),
    trace(
        "a delete with the right preconditions is carried out",
        apply(widget(str="a")),
        delete(widget(), preconditions={"uid": uid(1), "resourceVersion": version(1)}),
        get(widget()),
    ),
    trace(
        "a delete with another uid or version is refused",
        apply(config(a="1")),
        delete(config(), preconditions={"uid": ZERO}),
        delete(config(), preconditions={"resourceVersion": "1"}),
        delete(config(), preconditions={"uid": uid(1), "resourceVersion": "1"}),
        delete(config("b"), preconditions={"uid": ZERO}),
        get(config()),
    ),
    trace(
        "a policy that does not exist is refused",
        apply(config(a="1")),
        delete(config(), propagationPolicy="Sideways"),
        get(config()),
    ),
    trace(
        "a policy and the older way of orphaning exclude each other",
        apply(config(a="1")),
        delete(config(), propagationPolicy="Background", orphanDependents=True),
        get(config()),
    ),
    trace(
        "a collection is deleted by selector",
        apply(config("keep", a="1")),
        apply(config("drop", metadata={"labels": {"a": "b"}}, a="1")),
        delete_all("ConfigMap", "a=b"),
        list_of("ConfigMap"),
    ),
    trace(
        "a Deployment and a Service are deleted",
        apply(thing("Service", spec={"ports": [{"port": 80}]})),
        delete(thing("Service")),
        apply(thing("PodDisruptionBudget", spec={"selector": {}, "maxUnavailable": 1})),
        delete(thing("PodDisruptionBudget")),
    ),
    trace(
        "a grace period is taken by what has none",
        apply(config(a="1")),
        delete(config(), gracePeriodSeconds=5),
        get(config()),
    ),
)

TRACES = (*FINALIZER, *COLLECTION, *OPTIONS)

"""Every recorded error body, reproduced; only uids, times and counters may differ."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from providers.kube.sandbox.faults import Fault
from providers.kube.sandbox.server import SandboxFile

RECORDED = json.loads((Path(__file__).parent.parent / "data" / "error-bodies.json").read_bytes())
ZERO = "00000000-0000-0000-0000-000000000000"
SPEC = {"num": 1, "str": "a", "lm": [{"name": "x", "port": 1}]}
_LIST = [{"name": "x", "port": 2}]


def _widget(name: str = "a", metadata: Any = None, **spec: Any) -> Any:
    meta = {"namespace": "sem", "name": name, **(metadata or {})}
    return {
        "apiVersion": "t.cform.test/v1beta2",
        "kind": "Widget",
        "metadata": meta,
        "spec": {**SPEC, **spec},
    }


def _map(name: str, metadata: Any = None, **parts: Any) -> Any:
    meta = {"namespace": "sem", "name": name, **(metadata or {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "1"}, **parts}


def _deployment(label: str = "b", **container: Any) -> Any:
    pod = {"containers": [{"name": "c", "image": "i", **container}]}
    template = {"metadata": {"labels": {"a": label}}, "spec": pod}
    spec = {"selector": {"matchLabels": {"a": label}}, "template": template}
    meta = {"namespace": "sem", "name": "d"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def _conflict(c: Any) -> Any:
    c.apply(_widget(), "second")
    return c.apply(_widget(num=2, str="b", lm=_LIST), "third")


def _updater(c: Any) -> Any:
    c.merge(_widget(), {"spec": {"num": 9}}, "kubectl-edit")
    return c.apply(_widget())


def _terminating(c: Any) -> Any:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "term"}}
    c.apply(namespace)
    c.apply(_map("held", {"namespace": "term", "finalizers": ["a.b/c"]}))
    c.delete(namespace)
    return c.apply(_map("new", {"namespace": "term"}))


def _finalizer(c: Any) -> Any:
    c.apply(_map("fin", {"finalizers": ["old/one"]}))
    c.delete(_map("fin"))
    return c.apply(_map("fin", {"finalizers": ["old/one", "new/one"]}))


def _immutable(c: Any) -> Any:
    c.apply(_map("imm", immutable=True))
    return c.apply(_map("imm", immutable=True, data={"a": "2"}))


def _selector(c: Any) -> Any:
    c.apply(_deployment())
    return c.apply(_deployment("c"))


def _with_map(metadata: Any) -> Callable[[Any], Any]:
    def act(c: Any) -> Any:
        c.apply(_map("cmu"))
        return c.apply(_map("cmu", metadata, data={"a": "2"}))

    return act


def _deleting(**preconditions: str) -> Callable[[Any], Any]:
    return lambda c: c.delete(_widget(), {"preconditions": preconditions})


def _applying(*args: Any, **query: str) -> Callable[[Any], Any]:
    return lambda c: c.apply(*args, **query)


def _getting(path: str) -> Callable[[Any], Any]:
    return lambda c: c.send("GET", path)


def _as(user: str, obj: Any) -> Callable[[Any], Any]:
    def act(c: Any) -> Any:
        reader = type(c)(c.transport.identity(user, frozenset(("get", "list", "watch"))))
        return reader.apply(obj, dryRun="All")

    return act


ACTS: dict[str, Callable[[Any], Any]] = {
    "ssa-no-fieldManager": lambda c: c.apply(_widget(), ""),
    "ssa-conflict-409": _conflict,
    "ssa-conflict-updater-409": _updater,
    "ssa-uid-mismatch": _applying(_widget(metadata={"uid": ZERO}, num=2)),
    "ssa-uid-mismatch-dryrun-noop": _applying(_widget(metadata={"uid": ZERO}), dryRun="All"),
    "ssa-resourceVersion-mismatch": _applying(_widget(metadata={"resourceVersion": "1"}, num=2)),
    "ssa-resourceVersion-mismatch-dryrun-noop": _applying(
        _widget(metadata={"resourceVersion": "1"}), dryRun="All"
    ),
    "ssa-uid-on-missing-object": _applying(_widget("gone", {"uid": ZERO})),
    "ssa-resourceVersion-on-missing-object": _applying(_widget("gone", {"resourceVersion": "1"})),
    "ssa-resourceVersion-0-on-existing(create-only?)": _applying(
        _widget(metadata={"resourceVersion": "0"})
    ),
    "ssa-resourceVersion-empty-on-existing": _applying(_widget(metadata={"resourceVersion": ""})),
    "create-exists-409": lambda c: c.create(_widget()),
    "delete-precondition-uid": _deleting(uid=ZERO),
    "delete-precondition-rv": _deleting(resourceVersion="1"),
    "delete-missing-404": lambda c: c.delete(_widget("nope")),
    "group-missing-404": _getting("/apis/nope.test/v1/widgets"),
    "version-missing-404": _getting("/apis/t.cform.test/v9/widgets"),
    "resource-missing-404": _getting("/apis/t.cform.test/v1beta2/nopes"),
    "namespace-missing-404": _applying(_map("x", {"namespace": "nons"})),
    "schema-invalid-type": _applying(_widget(num="x")),
    "unknown-field-ssa-crd": _applying(_widget(bogus=1)),
    "unknown-field-ssa-crd-strict": _applying(_widget(bogus=1), fieldValidation="Strict"),
    "schema-invalid-pattern-422": _applying(_widget(qty="12xx")),
    "set-duplicates": _applying(_widget(set=["a", "a"])),
    "name-mismatch": lambda c: c.send(
        "PATCH", c.path(_widget()), _widget("b"), "application/apply-patch+yaml", fieldManager="m"
    ),
    "managedFields-in-body": _applying(_widget(metadata={"managedFields": []})),
    "immutable-field-422": _selector,
    "unknown-field-ssa-builtin": _applying(_deployment(bogus=1)),
    "immutable-configmap-422": _immutable,
    "ssa-uid-mismatch-builtin": _with_map({"uid": ZERO}),
    "ssa-uid-mismatch-builtin-missing-object": _applying(_map("cmu-missing", {"uid": ZERO})),
    "ssa-resourceVersion-mismatch-builtin": _with_map({"resourceVersion": "1"}),
    "ssa-resourceVersion-mismatch-builtin-missing-object": _applying(
        _map("cmu-missing", {"resourceVersion": "1"}, data={"a": "2"})
    ),
    "namespace-terminating-403": _terminating,
    "add-finalizer-while-terminating": _finalizer,
    "rbac-forbidden-403-dry-SSA-existing": _as("reader", _widget()),
    "rbac-forbidden-403-dry-SSA-new": _as("reader", _widget("rb-new")),
}

INJECTED = {
    "vap-denied": "policies are not evaluated: they are CEL",
    "webhook-unreachable-500": "webhook configurations are stored but not called",
    "too-many-requests-429": "the sandbox is never too busy",
    "cache-not-ready-429": "the sandbox has no cache to warm",
    "unauthorized-401": "asked at a workload server, see test_sandbox_identities",
}
"""Recorded bodies that only a fault (or another test) produces, and why."""


def _normal(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    return json.loads(re.sub(r"(record \()\d+|(\"resourceVersion\": \")\d+", r"\1\2N", text))


def _sorted(body: Any) -> Any:
    """Go walks a map to list the causes of a conflict: their order is chance."""
    if isinstance(body, dict) and "causes" in body.get("details", {}):
        body["details"]["causes"].sort(key=lambda cause: json.dumps(cause, sort_keys=True))
    return body


@pytest.mark.parametrize("name", ACTS)
def test_answer_is_the_recorded_one(client: Any, name: str) -> None:
    client.apply(_widget())
    answer = ACTS[name](client)
    assert answer.status == RECORDED[name]["http"]
    assert _sorted(_normal(answer.body)) == _sorted(_normal(RECORDED[name]["body"]))


@pytest.mark.parametrize("name", ["too-many-requests-429", "cache-not-ready-429"])
def test_faults_give_the_recorded_429s(client: Any, file: SandboxFile, name: str) -> None:
    ready = name == "too-many-requests-429"
    reason, message = ("", "") if ready else ("TooManyRequests", "storage is (re)initializing")
    file.fault(Fault(kind="status", status=429, reason=reason, message=message))
    answer = client.send("GET", "/api/v1/configmaps")
    assert answer.status == 429
    assert _normal(answer.body) == _normal(RECORDED[name]["body"])


def test_every_recorded_body_is_reproduced_or_named() -> None:
    assert ACTS.keys() | INJECTED.keys() == RECORDED.keys()

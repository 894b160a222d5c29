"""134 recorded server-side applies: same outcome, same message, same visible change."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from providers.kube.sandbox.clock import ManualClock
from providers.kube.sandbox.server import open_sandbox
from providers.kube.sandbox.world import Admission, Admissions

RECORDED = json.loads((Path(__file__).parent.parent / "data" / "ssa-noop-cases.json").read_bytes())
CASES = {case["n"]: case for case in RECORDED["cases"]}
STANDARD = [n for n, case in CASES.items() if case["desired"]["kind"] != "Gadget"]


def _outcome(answer: Any, live: Any) -> tuple[str, str | None, Any]:
    if answer.status >= 400:
        return "error", None, {"http": answer.status, "message": answer.message}
    if answer.metadata["resourceVersion"] == live["metadata"]["resourceVersion"]:
        assert answer.body == live, "a no-op leaves every byte alone, times included"
        return "noop", None, None
    if _shown(answer.body) == _shown(live):
        return "write", "same", None
    unowned = _shown(answer.body, owners=False) == _shown(live, owners=False)
    return "write", "mf-only" if unowned else "object", None


def _shown(value: Any, owners: bool = True) -> Any:
    shown = copy.deepcopy(value)
    del shown["metadata"]["resourceVersion"]
    if not owners:
        shown["metadata"].pop("managedFields", None)
    for entry in shown["metadata"].get("managedFields", ()):
        entry.pop("time", None)
    return shown


def _expected(case: Any) -> tuple[str, str | None, Any]:
    return case["server"], case["visible"], case["error"]


@pytest.mark.parametrize("n", STANDARD, ids=[CASES[n]["title"] for n in STANDARD])
def test_apply_does_what_the_recorded_server_did(client: Any, n: int) -> None:
    case = CASES[n]
    client.transport.seed(case["live"])
    answer = client.apply(case["desired"], case["manager"])
    assert answer.status != 501
    assert _outcome(answer, case["live"]) == _expected(case)


def _gadgets(change: Any = None, storage: str = "v1") -> Any:
    """The CRD of cases 132-140: not recorded itself, but a copy of the recorded one."""
    definition = copy.deepcopy(RECORDED["crd"])
    definition["metadata"]["name"] = "gadgets.t.cform.test"
    spec = definition["spec"]
    spec["names"] = {"plural": "gadgets", "kind": "Gadget"}
    for version, name in zip(spec["versions"], ("v1", "v2"), strict=True):
        version.update(name=name, storage=name == storage)
        if change:
            change(version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"])
    return definition


def _new_default(fields: Any) -> None:
    fields["newdef"] = {"type": "string", "default": "nn"}


def _atomic_map(fields: Any) -> None:
    fields["mapG"]["x-kubernetes-map-type"] = "atomic"


def _set(fields: Any) -> None:
    fields["listAtomic"]["x-kubernetes-list-type"] = "set"


def _without_duration(fields: Any) -> None:
    del fields["dur"]


CHANGED = {
    132: (_gadgets(_new_default), "a default added to the CRD"),
    133: (_gadgets(_atomic_map), "a granular map made atomic in the CRD"),
    134: (_gadgets(_set), "an atomic list made a set in the CRD"),
    135: (_gadgets(_without_duration), "a field removed from the CRD"),
    136: (_gadgets(storage="v2"), "another storage version in the CRD"),
    139: (_gadgets(), "an admission policy that is gone again"),
}
"""Cases whose cause lies behind the object: seeded under one CRD, applied under the other."""


@pytest.mark.parametrize("n", CHANGED, ids=[CASES[n]["title"] for n in CHANGED])
def test_apply_after_the_definition_changed(client: Any, n: int) -> None:
    case, (definition, _) = CASES[n], CHANGED[n]
    client.apply(_gadgets())
    before = copy.deepcopy(case["live"])
    before["spec"].pop("newdef", None)
    client.transport.seed(before)
    client.apply(definition, force="true")
    live = client.get(case["desired"]).body
    assert live == case["live"], "reading shows the recorded object"
    assert _outcome(client.apply(case["desired"]), live) == _expected(case)


def _labels(obj: Any, *_: Any) -> list[str]:
    if obj["kind"] == "Gadget":
        obj["metadata"].setdefault("labels", {})["policy"] = "added"
    return []


def _sets(field: str, value: str) -> Admission:
    def admission(obj: Any, *_: Any) -> list[str]:
        if obj["kind"] == "Gadget":
            obj["spec"][field] = value
        return []

    return admission


MUTATED: dict[int, Admission] = {
    137: _labels,
    138: _sets("str", "normalised"),
    140: _sets("sdef", "fromhook"),
}
"""Cases under a mutating admission policy that is there when the apply comes."""


@pytest.mark.parametrize("n", MUTATED, ids=[CASES[n]["title"] for n in MUTATED])
def test_apply_under_mutating_admission(client: Any, tmp_path: Path, n: int) -> None:
    case = CASES[n]
    opened = open_sandbox(
        tmp_path / "mutated.db",
        clock=ManualClock(1.8e9),
        reconcilers={},
        admissions=Admissions(mutating=(MUTATED[n],)),
    )
    mutated = type(client)(opened.management())
    mutated.apply(_gadgets())
    mutated.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "noop"}})
    mutated.transport.seed(case["live"])
    assert _outcome(mutated.apply(case["desired"]), case["live"]) == _expected(case)
    opened.close()


def test_every_recorded_case_is_run() -> None:
    assert len(CASES) == 134
    assert {*STANDARD, *CHANGED, *MUTATED} == set(CASES)

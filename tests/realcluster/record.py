"""Records what a real server does with our applies: the tables that the proof is held to.

    python -m tests.realcluster.record            starts a server, writes both files of tests/data
    python -m tests.realcluster.record --check    says what would change, exit 1 if anything does

The same version gives the same bytes: uids, times, addresses and resourceVersions are made steady.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.realcluster import capi
from tests.realcluster.binaries import kubernetes_version
from tests.realcluster.lab import transport_of
from tests.realcluster.recording import kinds, managers, tools, widgets
from tests.realcluster.recording.server import CRDS, NAMESPACE, Server, path_of
from tests.realcluster.recording.steps import Body, Case, apply
from tests.realcluster.server import ControlPlane

DATA = Path(__file__).parents[1] / "data"
FIRST = DATA / "ssa-noop-cases.json"
MORE = DATA / "ssa-noop-cases-of-kinds.json"
NEW_CASES: tuple[Case, ...] = (*kinds.CASES, *managers.CASES, *tools.CASES)
_FIRST_NEW = 201

NOTE = (
    "Each case = the writes that made the object (setup), the body that we would apply now "
    "(desired), the live object before it, and what a real apply, not forced, by the same manager "
    "did. server=noop: resourceVersion unchanged. visible: same = differs in resourceVersion "
    "only; mf-only = only managedFields differ; object = the object differs. forced: the same "
    "with force, where it was a conflict. Made by python -m tests.realcluster.record."
)


@contextmanager
def opened() -> Iterator[Server]:
    """A server of its own, with the recorded CRD, Cluster API's and the namespace of the cases."""
    with ControlPlane.started(controllers=False) as plane:
        transport = transport_of(plane)
        capi.install(transport)
        server = Server(transport, plane.kubeconfig)
        prepare(server)
        yield server


def prepare(server: Server) -> None:
    """What the cases need to be there."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    server.send("POST", "/api/v1/namespaces", space)
    for body in (_read(FIRST)["crd"], gadgets()):
        server.must(
            "PATCH",
            path_of(body),
            body,
            "application/apply-patch+yaml",
            fieldManager="recorder",
            force="true",
        )
        server.until_served(body)


def gadgets() -> Body:
    """The CRD that is changed behind its objects: the recorded one under another name."""
    body: Body = copy.deepcopy(_read(FIRST)["crd"])
    body["metadata"]["name"] = "gadgets.t.cform.test"
    body["spec"]["names"] = {
        "plural": "gadgets",
        "kind": "Gadget",
        "singular": "gadget",
        "listKind": "GadgetList",
    }
    for version, name in zip(body["spec"]["versions"], ("v1", "v2"), strict=True):
        version.update(name=name, storage=name == "v1")
    return body


def record_first(server: Server, only: Collection[int] = ()) -> Body:
    """The first file anew: its bodies and its definition, everything else from the server."""
    recorded = _read(FIRST)
    cases = []
    for case in recorded["cases"]:
        if only and case["n"] not in only:
            continue
        setup = list(widgets.SETUPS.get(case["n"], (apply(),)))
        behind = case["desired"]["kind"] == "Gadget"
        answer = server.record(case["desired"], setup)
        if behind:
            _restore(server, case["desired"])
        kept = {key: case[key] for key in ("n", "title", "manager")}
        cases.append({**kept, "setup": setup, "desired": case["desired"], **answer})
    return {"note": _note(), "crd": recorded["crd"], "cases": cases}


def _restore(server: Server, desired: Body) -> None:
    """Take back what a case changed behind its object."""
    wanted = gadgets()
    path = f"{CRDS}/{wanted['metadata']['name']}"
    live = server.must("GET", path)
    server.must("PUT", path, {**live, "spec": {**live["spec"], **wanted["spec"]}})
    server.until_served(wanted)
    server.without_policy({**desired, "spec": {"str": "a"}})


def record_more(server: Server, only: Collection[int] = ()) -> Body:
    """The second file: built-in kinds, Cluster API's, other tools."""
    cases = []
    for number, case in enumerate(NEW_CASES, start=_FIRST_NEW):
        if only and number not in only:
            continue
        metadata = {"name": case.name or f"c{number}"}
        if case.namespaced:
            metadata["namespace"] = NAMESPACE
        desired = {
            "apiVersion": case.version,
            "kind": case.kind,
            **case.body,
            "metadata": {**metadata, **case.body.get("metadata", {})},
        }
        setup = list(case.setup)
        answer = server.record(desired, setup)
        cases.append(
            {
                "n": number,
                "title": case.title,
                "manager": "clusterform",
                "setup": setup,
                "desired": desired,
                **answer,
            }
        )
    return {"note": _note(), "cases": cases}


def _note() -> str:
    return f"Recorded from kube-apiserver {kubernetes_version()}. {NOTE}"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def text_of(content: Body) -> str:
    """The file: one case a line, so that a diff shows which."""
    lines = []
    for key, value in content.items():
        if key == "cases":
            cases = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in value)
            lines.append(f'"cases": [\n{cases}\n]')
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def differing(old: Body, new: Body) -> list[str]:
    """Titles of the cases of `new` that `old` does not say the same of."""
    known = {case["n"]: json.dumps(case, sort_keys=True) for case in old["cases"]}
    return [
        f"{case['n']} {case['title']}"
        for case in new["cases"]
        if known.get(case["n"]) != json.dumps(case, sort_keys=True)
    ]


def main() -> int:
    """Record both files, or compare with what is there."""
    check = "--check" in sys.argv[1:]
    moved = []
    with opened() as server:
        for path, record in ((FIRST, record_first), (MORE, record_more)):
            content = record(server)
            old = _read(path) if path.exists() else {"cases": []}
            moved += differing(old, content)
            if not check:
                path.write_text(text_of(content), encoding="utf-8")
            print(f"{path.name}: {len(content['cases'])} cases")
    for title in moved:
        print(f"  changed: {title}")
    return 1 if check and moved else 0


if __name__ == "__main__":
    sys.exit(main())

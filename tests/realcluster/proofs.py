"""Random objects, random other managers, random edits: the proof against a dry-run and the apply.

    python -m tests.realcluster.proofs 100000        on a server of its own, ends with the counts

Every comparison makes a fresh object by a few writes of several managers, reads it as a plan does,
and asks the proof about a body; then the server is asked for a dry-run and for the write itself.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from planner.compare import same_owners
from planner.prove import Proof, prove
from planner.ssa import comparable, same
from providers.builtin import plural_of
from providers.kube.api import (
    APPLY_PATCH,
    JSON,
    JSON_PATCH,
    MERGE_PATCH,
    Request,
    Response,
    Transport,
)
from state.live import Metadata, Present
from state.resource import ResourceId, split_api_version
from tests.realcluster import capi
from tests.realcluster.lab import transport_of
from tests.realcluster.recording.kinds import NAMESPACED, body
from tests.realcluster.server import ControlPlane

Body = dict[str, Any]
THREADS = 16
KINDS = tuple(k for k in NAMESPACED if k not in ("ResourceQuota", "LimitRange"))
"""Those of a namespace; a quota or a range would judge the other objects."""
_MANAGERS = ("kubectl-edit", "hpa", "kustomize-controller", "argocd-controller", "manager")
_VALUES: tuple[Any, ...] = ("", "x", "y", "1", "100m", "1Gi", "1024Mi", 0, 1, 2, 80, True, False)


class Edits:
    """Random changes of a body. Many give what a server refuses; those are counted and left."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def changed(self, value: Body, times: int) -> Body:
        """A copy with some fields of it changed, removed, emptied, reordered or added."""
        result = copy.deepcopy(value)
        for _ in range(times):
            holder, key = self._place(result)
            self._edit(holder, key)
        return result

    def _place(self, value: Any) -> tuple[Any, Any]:
        """Somewhere in the object; identity stays."""
        places: list[tuple[Any, Any]] = []

        def walk(node: Any) -> None:
            keys = node if isinstance(node, dict) else range(len(node))
            for key in keys:
                places.append((node, key))
                if isinstance(node[key], dict | list):
                    walk(node[key])

        parts = {k: v for k, v in value.items() if k not in ("apiVersion", "kind", "metadata")}
        walk(parts)
        metadata = value["metadata"]
        for name in ("labels", "annotations"):
            if not isinstance(metadata.get(name), dict):
                metadata[name] = {"k": "v"}
            walk(metadata[name])
        holder, key = self._dice.choice(places or [(metadata, "labels")])
        return (value, key) if holder is parts else (holder, key)

    def _edit(self, holder: Any, key: Any) -> None:
        old = holder[key]
        choice = self._dice.random()
        if isinstance(old, dict) and choice < 0.35:
            holder[key] = {}
        elif isinstance(old, list) and choice < 0.6:
            holder[key] = [[], old[::-1], old[:-1], [*old, *old[:1]]][self._dice.randrange(4)]
        elif choice < 0.75 and isinstance(holder, dict):
            del holder[key]
        elif isinstance(old, dict):
            old[self._dice.choice(("a", "z", "app"))] = self._dice.choice(("1", "2"))
        else:
            holder[key] = self._dice.choice(_VALUES)


class Comparison(msgspec.Struct):
    """One object compared."""

    kind: str
    proof: Proof
    changes: str
    """What the dry-run showed: `nothing`, `owners`, `object` or `refused`."""
    written: bool
    """The apply moved the resourceVersion."""
    evidence: Body


class Prover:
    """Makes objects on one server and compares. Safe in threads."""

    def __init__(self, server: Transport, namespace: str) -> None:
        self._server = server
        self._namespace = namespace
        self._schemas: dict[tuple[str, str], Body] = {}
        for definition in capi.definitions():
            spec = definition["spec"]
            for version in spec["versions"]:
                key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                self._schemas[key] = version["schema"]["openAPIV3Schema"]
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self._send("POST", "/api/v1/namespaces", space)

    def compare(self, seed: int) -> list[Comparison]:
        """One object and up to four bodies; the same seed gives the same writes."""
        dice = random.Random(seed)
        of = dice.choice(KINDS)
        version, content = body(of)
        kind = of.partition(" ")[0]
        metadata = {**content.get("metadata", {}), "name": f"p{seed}"}
        metadata["namespace"] = self._namespace
        wanted = {**content, "apiVersion": version, "kind": kind, "metadata": metadata}
        path = f"/{'apis' if '/' in version else 'api'}/{version}/namespaces/{self._namespace}/"
        path += f"{plural_of(kind)}/p{seed}"
        edits = Edits(dice)
        if dice.random() < 0.3:
            wanted = edits.changed(wanted, 1)
        made = self._make(dice, path, wanted)
        found: list[Comparison] = []
        if made:
            for _ in range(4):
                self._disturb(dice, edits, path, wanted)
                asked = wanted if dice.random() < 0.5 else edits.changed(wanted, 1)
                outcome = self._ask(path, asked, version, kind)
                if outcome is not None:
                    found.append(outcome)
                    wanted = asked if outcome.changes != "refused" else wanted
        self._send("DELETE", path, query={"propagationPolicy": "Background"})
        return found

    def _make(self, dice: random.Random, path: str, wanted: Body) -> bool:
        maker = dice.random()
        if maker < 0.75:
            return self._apply(path, wanted, "clusterform").status < 300
        if maker < 0.85:
            return self._apply(path, wanted, dice.choice(_MANAGERS)).status < 300
        made = self._send(
            "POST", path.rpartition("/")[0], wanted, query={"fieldManager": "kubectl-create"}
        )
        return made.status < 300

    def _disturb(self, dice: random.Random, edits: Edits, path: str, wanted: Body) -> None:
        """Something that somebody else does, or nothing."""
        choice = dice.random()
        manager = dice.choice(_MANAGERS)
        if choice < 0.3:
            return
        if choice < 0.5:
            self._apply(path, edits.changed(wanted, 1), manager)
        elif choice < 0.6:
            self._apply(path, wanted, manager)
        elif choice < 0.85:
            live = json.loads(self._send("GET", path).body)
            edited = edits.changed(live, 1)
            edited["metadata"]["managedFields"] = live["metadata"].get("managedFields")
            self._send("PUT", path, edited, query={"fieldManager": manager})
        elif choice < 0.93:
            label = {"metadata": {"labels": {dice.choice("akz"): dice.choice("12")}}}
            self._send("PATCH", path, label, MERGE_PATCH, {"fieldManager": manager})
        elif choice < 0.96:
            none = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
            self._send("PATCH", path, none, JSON_PATCH, {"fieldManager": manager})
        else:
            scale = {"spec": {"replicas": dice.choice((1, 2, 5))}}
            self._send("PATCH", f"{path}/scale", scale, MERGE_PATCH, {"fieldManager": manager})

    def _ask(self, path: str, asked: Body, version: str, kind: str) -> Comparison | None:
        raw = self._send("GET", path)
        if raw.status >= 300:
            return None
        live = present(raw.body, version)
        schema = self._schemas.get((version, kind))
        proof = prove(asked, live, schema=schema)
        if schema is not None and prove(asked, live) is Proof.UNCHANGED:
            proof = Proof.UNCHANGED  # without the schema it must be right, too
        dry = self._apply(path, asked, "clusterform", dryRun="All")
        real = self._apply(path, asked, "clusterform")
        evidence = {"desired": asked, "live": live.body}
        if dry.status >= 300:
            return Comparison(kind, proof, "refused", False, evidence)
        after = present(dry.body, version)
        if not same(comparable(after.body), comparable(live.body)):
            changes = "object"
        else:
            changes = "nothing" if same_owners(live, after) else "owners"
        written = real.status < 300 and (
            present(real.body, version).resource_version != live.resource_version
        )
        return Comparison(kind, proof, changes, written, evidence)

    def _apply(self, path: str, content: Body, manager: str, **query: str) -> Response:
        full = {"fieldManager": manager, "force": "true", **query}
        return self._send("PATCH", path, content, APPLY_PATCH, full)

    def _send(
        self,
        method: str,
        path: str,
        content: Any = None,
        media: str = JSON,
        query: dict[str, str] | None = None,
    ) -> Response:
        return self._server.request(
            Request(
                method=method,
                path=path,
                query=tuple((query or {}).items()),
                body=b"" if content is None else json.dumps(content).encode(),
                content_type=media,
            )
        )


def present(raw: bytes, version: str) -> Present:
    """An answer as the client reads it."""
    decoded = msgspec.json.decode(raw)
    encoded = msgspec.json.encode(decoded["metadata"])
    metadata = msgspec.json.decode(encoded, type=Metadata)
    group = split_api_version(version)[0]
    id_ = ResourceId("mgmt", group, decoded["kind"], metadata.namespace, metadata.name)
    return Present(id=id_, version=version, metadata=metadata, raw=raw)


class Tally:
    """Counts of a run, and what must not be."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.false: list[Comparison] = []

    def add(self, found: Comparison) -> bool:
        """One more; False if its proof is."""
        self.counts["compared"] += 1
        self.counts[f"{found.changes}: {found.proof.name}"] += 1
        if found.changes == "nothing" and found.written:
            # Stored in another form (the second write of a Job, a claim, a StatefulSet; empty
            # labels on a custom resource): nothing of it is to be seen, before or after
            self.counts["stored anew, nothing to be seen"] += 1
        if found.proof is not Proof.UNCHANGED:
            self.counts["asked the server"] += 1
        elif found.changes != "nothing":
            self.false.append(found)
            return False
        return True

    def __str__(self) -> str:
        lines = [f"  {name}: {count}" for name, count in sorted(self.counts.items())]
        nothing = sum(n for k, n in self.counts.items() if k.startswith("nothing: "))
        open_ = nothing - self.counts["nothing: UNCHANGED"]
        lines.append(f"  no-ops that needed a dry-run: {open_} of {nothing}")
        return "\n".join(lines)


def run(
    server: Transport,
    namespace: str,
    wanted: int,
    *,
    first_seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Compare until `wanted` comparisons are made, in many threads."""
    prover, tally, seed = Prover(server, namespace), Tally(), first_seed
    started = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        while tally.counts["compared"] < wanted:
            batch = range(seed, seed + min(400, max(THREADS, wanted // 4)))
            seed = batch.stop
            for found in pool.map(prover.compare, batch):
                for one in found:
                    if not tally.add(one):
                        say(f"FALSE {one.kind} {one.changes} {json.dumps(one.evidence)}")
            made, spent = tally.counts["compared"], time.monotonic() - started
            say(f"{made} of {wanted} in {spent:.0f} s, {len(tally.false)} false")
    return tally


def main() -> int:
    """A run on a server of its own; exit 1 with the evidence when a proof was false."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with ControlPlane.started(controllers=False) as plane:
        server = transport_of(plane)
        capi.install(server)
        tally = run(server, "proofs", wanted, say=lambda line: print(line, flush=True))
    print(tally)
    return 1 if tally.false else 0


if __name__ == "__main__":
    sys.exit(main())

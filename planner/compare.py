"""One desired object against its live one: is there anything to do, what exactly, how sure are we.

Pure but for the dry-run, which comes in as a function. Rules: docs/semantics.md 9 to 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from planner.changes import Cause, Confidence, FieldChange, Take
from planner.decide import Compared
from planner.diff import differences, masked
from planner.leftovers import leftovers, settled
from planner.prove import Proof, prove
from planner.ssa import (
    Conflict,
    comparable,
    merged,
    peoples_tool,
    same,
    split_conflicts,
    with_defaults,
)
from providers.base import KindRules, value
from providers.capi import AUTOSCALER_MAX, AUTOSCALER_MIN
from providers.secrets import hidden_paths
from state.desired import IgnoreRule
from state.fields import MISSING, delete_at, leaves, own_entry, owners, owns, set_at, trie, value_at
from state.fingerprint import path_key
from state.live import ManagerEntry, Present
from state.recorded import Recorded
from state.resource import (
    FieldPath,
    JsonObject,
    Resource,
    ResourceId,
    SecretRef,
    canonical,
    digest,
    path_text,
)


class NoDryRun(msgspec.Struct, frozen=True):
    """The server could not be asked: no right, not allowed for the kind, or switched off."""

    reason: str
    by_design: bool = False
    """A reader knows why, or is told once for all: not with every change."""


class Denied(msgspec.Struct, frozen=True):
    """The server refuses the object as it is."""

    message: str
    immutable: bool


DryRun = Callable[[Resource, JsonObject, Present], Present | NoDryRun | Denied]
"""(resource, body with secrets, live) → what a forced apply would leave."""


class Comparison(msgspec.Struct, kw_only=True):
    """What one object needs. `after` may hold secret values: it never leaves the planner."""

    compared: Compared
    body: JsonObject
    """To be sent, secrets and live refs left out."""
    after: JsonObject
    secrets: tuple[tuple[FieldPath, SecretRef], ...] = ()
    """Those of the resource that are sent: not what is left to others."""
    live_refs: tuple[FieldPath, ...] = ()
    ignored: int = 0
    fields: tuple[FieldChange, ...] = ()
    takes: tuple[Take, ...] = ()
    releases: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    confidence: Confidence = Confidence.EXACT
    ownership_only: bool = False
    cleared: bool = False
    """A dry-run showed that nothing would be written."""
    denied: str = ""
    unasked: str = ""
    """Why the server did not answer a dry-run, where that was not by design."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A comparison that a dry-run may still clear."""

    result: Comparison
    resource: Resource
    full: JsonObject
    live: Present
    kind_rules: KindRules
    proof: Proof
    together: str = ""
    """What admission judges it by changes in the same plan: its refusal now means nothing."""


class Comparer:
    """Compares objects of one fleet. Holds what is the same for all of them."""

    def __init__(
        self,
        *,
        ignore: Iterable[IgnoreRule],
        dry_run: DryRun,
        recorded: Callable[[ResourceId], Recorded | None],
        line_of: Callable[[Resource, FieldPath], str],
        always: bool = False,
    ) -> None:
        self._ignore = tuple(ignore)
        self._dry_run = dry_run
        self._recorded = recorded
        self._line_of = line_of
        self._always = always

    def compare(
        self,
        resource: Resource,
        body: JsonObject,
        full: JsonObject,
        live: Present,
        kind_rules: KindRules,
    ) -> Comparison | Candidate:
        """`full` is `body` with the secret values in place (the same object without secrets).

        A `Candidate` comes back where a server has something to say; `settle` asks it.
        """
        live_refs, ignored = self._leave_ignored(resource, body, full, live)
        result = Comparison(
            compared=Compared.UNCHANGED,
            body=body,
            after=live.body,
            secrets=_sent(resource, full, live_refs),
            live_refs=live_refs,
            ignored=ignored,
        )
        result.live_refs += _kept(body, full, live, kind_rules, resource.writer.manager)
        manager = resource.writer.manager
        proof = prove(full, live, manager=manager)
        if proof is Proof.UNCHANGED and not self._always:
            result.releases = leftovers(full, live, manager)
            return _released(result)
        adopting = own_entry(live, manager) is None
        tools = settled if adopting else peoples_tool
        takes, conflicts = split_conflicts(full, live, tools, manager)
        told = tuple(c for c in conflicts if not _below(c.path, kind_rules.written))
        result.takes, result.conflicts = takes, told
        result.ignored += len(conflicts) - len(told)
        if conflicts:
            for conflict in conflicts:
                _leave_out(conflict.path, body, full)
                _hold_maps(full, conflict.path, live, manager)
                if full is not body:
                    _hold_maps(body, conflict.path, live, manager)
            proof = prove(full, live, manager=manager)
            result.secrets = _sent(resource, full, live_refs)
        result.releases = leftovers(full, live, manager)
        if conflicts and proof is Proof.UNCHANGED and not self._always:
            return _released(result)
        if _immutable_differs(full, live, kind_rules):
            result.compared = Compared.IMMUTABLE
            result.after = full
            self._describe(result, resource, live, comparable(full))
            return result
        return Candidate(
            result=result,
            resource=resource,
            full=full,
            live=live,
            kind_rules=kind_rules,
            proof=proof,
        )

    def settle(self, candidate: Candidate) -> Comparison:
        """Ask the server, or compute where it must not be asked. Safe in threads."""
        return self._candidate(
            candidate.result,
            candidate.resource,
            candidate.full,
            candidate.live,
            candidate.kind_rules,
            candidate.proof,
            candidate.together,
        )

    def _candidate(
        self,
        result: Comparison,
        resource: Resource,
        full: JsonObject,
        live: Present,
        kind_rules: KindRules,
        proof: Proof,
        together: str,
    ) -> Comparison:
        result.compared = Compared.DIFFERENT
        answer = self._dry_run(resource, full, live)
        if isinstance(answer, Denied) and together and not answer.immutable:
            answer = NoDryRun(together)
        if isinstance(answer, Denied):
            result.after = merged(live, full, resource.writer.manager)
            result.denied = answer.message
            result.compared = Compared.IMMUTABLE if answer.immutable else Compared.DIFFERENT
            self._describe(result, resource, live, result.after)
            return result
        if isinstance(answer, NoDryRun):
            after = merged(live, full, resource.writer.manager)
            result.after = with_defaults(after, live.body, kind_rules)
            result.confidence = Confidence.STATIC
            result.unasked = "" if answer.by_design else answer.reason
            self._describe(result, resource, live, result.after, kind_rules)
            if not result.fields and proof is Proof.UNKNOWN:
                result.compared = Compared.UNKNOWN
                result.confidence = Confidence.UNPROVEN
            return result
        result.after = answer.body
        self._describe(result, resource, live, answer.body)
        result.cleared = not result.fields and same_owners(live, answer)
        return _released(result) if result.cleared else result

    # ------------------------------------------------------------- what is left to others

    def _leave_ignored(
        self, resource: Resource, body: JsonObject, full: JsonObject, live: Present
    ) -> tuple[tuple[FieldPath, ...], int]:
        """Ignored paths: out of the body where somebody else owns them, else the live value.

        Removing a field that only we own would hand it to its default, so it is kept as it is.
        """
        refs: list[FieldPath] = []
        ignored = 0
        for rule in self._ignore:
            if not rule.matches(resource.id.group_kind) or not _applies(rule, body, live):
                continue
            for path in rule.paths:
                ignored += 1
                held = value_at(live.body, path)
                if held is not MISSING and owners(live, path) == (resource.writer.manager,):
                    set_at(full, path, held)
                    if full is not body:
                        delete_at(body, path)
                    refs.append(path)
                else:
                    _leave_out(path, body, full)
        return tuple(refs), ignored

    # ------------------------------------------------------------- fields, causes

    def _describe(
        self,
        result: Comparison,
        resource: Resource,
        live: Present,
        after: JsonObject,
        kind_rules: KindRules | None = None,
    ) -> None:
        before: JsonObject = msgspec.json.decode(canonical(comparable(live.body)))
        shown: JsonObject = msgspec.json.decode(canonical(comparable(after)))
        id_ = resource.id
        recorded = self._recorded(id_)
        hidden = hidden_paths(
            id_, before, shown, resource.secrets, recorded.hidden if recorded else ()
        )
        masked(before, shown, hidden)
        entry = own_entry(live, resource.writer.manager)
        leaves_of = recorded.leaves if recorded else {}
        result.fields = tuple(
            self._field(d, resource, live, entry, leaves_of, hidden, kind_rules)
            for d in differences(before, shown, live)
        )
        result.ownership_only = not result.fields

    def _field(
        self,
        difference: tuple[FieldPath, Any, Any],
        resource: Resource,
        live: Present,
        entry: ManagerEntry | None,
        recorded: dict[str, str],
        hidden: set[FieldPath],
        kind_rules: KindRules | None,
    ) -> FieldChange:
        path, before, after = difference
        others = tuple(m for m in owners(live, path) if m != resource.writer.manager)
        ours = entry is not None and owns(trie(entry), path)
        cause, by = _cause(path, after, ours, others, recorded, entry is not None)
        in_git = cause is not Cause.DEFAULT
        return FieldChange(
            path=path,
            before=before,
            after=after,
            cause=cause,
            by=by,
            origin=self._line_of(resource, path) if in_git else "",
            sensitive=path in hidden,
            known=after is not msgspec.UNSET or kind_rules is None or not _defaultable(path),
        )


def _leave_out(path: FieldPath, body: JsonObject, full: JsonObject) -> None:
    """Take a field out of both, and out of `body` what only held sensitive values as well."""
    delete_at(full, path)
    if full is body:
        return
    delete_at(body, path)
    for depth in range(1, len(path)):
        if value_at(full, path[:depth]) is MISSING:
            delete_at(body, path[:depth])
            return


def _sent(
    resource: Resource, full: JsonObject, live_refs: tuple[FieldPath, ...]
) -> tuple[tuple[FieldPath, SecretRef], ...]:
    """The sensitive values that are left in `full`; apply fills in these and no others."""
    if not resource.secrets:
        return ()
    return tuple(
        (path, ref)
        for path, ref in resource.secrets
        if path not in live_refs and value_at(full, path) is not MISSING
    )


def _released(result: Comparison) -> Comparison:
    """Nothing would be written but that others let go of what we own, if they have to."""
    if result.releases:
        result.compared = Compared.DIFFERENT
        result.ownership_only = True
        result.cleared = False
    return result


def _applies(rule: IgnoreRule, body: JsonObject, live: Present) -> bool:
    if not rule.when:
        return True
    annotations = {**live.annotations, **(body["metadata"].get("annotations") or {})}
    return AUTOSCALER_MIN in annotations or AUTOSCALER_MAX in annotations


def _hold_maps(body: JsonObject, path: FieldPath, live: Present, manager: str) -> None:
    """Keep the maps around a field that was left out and that we own: they would be given up."""
    entry = own_entry(live, manager)
    for length in range(len(path) - 1, 0, -1):
        above = path[:length]
        if entry is None or value_at(body, above) is not MISSING:
            return
        if owns(trie(entry), above) and isinstance(value_at(live.body, above), dict):
            set_at(body, above, {})


def _kept(
    body: JsonObject, full: JsonObject, live: Present, kind_rules: KindRules, manager: str
) -> tuple[FieldPath, ...]:
    """Fields of controllers that only we own and Git dropped: sent on with the value live.

    Taking them away would make the controller write them again, or the webhook refuse.
    """
    entry = own_entry(live, manager)
    if entry is None or not kind_rules.written:
        return ()
    refs = []
    for path in sorted(leaves(trie(entry))):
        if not _below(path, kind_rules.written) or not all(p[0] == "f" for p in path):
            continue
        held = value_at(live.body, path)
        gone = value_at(full, path) is MISSING and held is not MISSING
        if gone and owners(live, path) == (manager,):
            set_at(full, path, held)
            if full is not body:
                delete_at(body, path)
            refs.append(path)
    return tuple(refs)


def _below(path: FieldPath, dotted: Iterable[str]) -> bool:
    text = ".".join(element[2:] for element in path if element[0] == "f")
    return any(text == above or text.startswith(f"{above}.") for above in dotted)


def _immutable_differs(full: JsonObject, live: Present, kind_rules: KindRules) -> str:
    for path in kind_rules.immutable:
        wanted = value(full, path)
        if wanted is not None and not _within(
            wanted, value(live.body, path), path, kind_rules.mutable
        ):
            return path
    return ""


def _within(wanted: Any, held: Any, path: str, mutable: tuple[str, ...]) -> bool:
    """Equal, apart from what the server added to a map, and from exceptions."""
    if path in mutable:
        return True
    if isinstance(wanted, dict) and isinstance(held, dict):
        return all(
            (below := f"{path}.{k}") in mutable
            or (k in held and _within(v, held[k], below, mutable))
            for k, v in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(held, list):
        pairs = zip(wanted, held, strict=False)
        return len(wanted) == len(held) and all(_within(w, h, path, mutable) for w, h in pairs)
    return held is None or same(wanted, held)


_FREE_FORM = frozenset(("f:labels", "f:annotations", "f:data", "f:binaryData", "f:stringData"))


def _defaultable(path: FieldPath) -> bool:
    """The server may put a default where this field was: not so in free-form maps and lists."""
    field = path[0] == "f:spec" and path[-1].startswith("f:")
    return field and not any(element in _FREE_FORM for element in path)


def _cause(
    path: FieldPath,
    after: Any,
    ours: bool,
    others: tuple[str, ...],
    recorded: dict[str, str],
    known: bool,
) -> tuple[Cause, str]:
    """Git, drift or both. We still own it: Git moved. Somebody else does: they moved it.

    `recorded` is what we last sent: where it differs from what Git wants now, both moved.
    """
    if ours or not known:
        return Cause.GIT, ""
    last = recorded.get(path_key(path))
    people = [m for m in others if peoples_tool(m)]
    if people:
        moved = (
            last is not None
            and after is not msgspec.UNSET
            and last != digest(canonical(after))[:16]
        )
        return (Cause.BOTH if moved else Cause.DRIFT), ", ".join(people)
    if last is not None:
        return Cause.DRIFT, "somebody who removed it"
    return (Cause.DEFAULT, "") if after is msgspec.UNSET else (Cause.GIT, "")


def same_owners(live: Present, other: Present) -> bool:
    """managedFields say the same, times aside: nothing at all would be written."""

    def entries(present: Present) -> list[tuple[str, str, str, str, bytes]]:
        return sorted(
            (m.manager, m.operation, m.api_version, m.subresource, canonical(trie(m)))
            for m in present.managers
        )

    return entries(live) == entries(other)


def overall_cause(fields: Iterable[FieldChange]) -> Cause:
    """The cause of a change from those of its fields."""
    causes = {f.cause for f in fields} - {Cause.DEFAULT}
    if not causes:
        return Cause.GIT
    if Cause.BOTH in causes or {Cause.GIT, Cause.DRIFT} <= causes:
        return Cause.BOTH
    if Cause.GIT in causes:
        return Cause.GIT
    return Cause.DRIFT if Cause.DRIFT in causes else Cause.TRIGGERED


def conflict_text(conflict: Conflict) -> str:
    """One line for a finding."""
    return f"{path_text(conflict.path)} is kept by {conflict.manager}"

"""One planned write: is the object still what the change was decided from, then send exactly that.

Re-reads, compares the fingerprint, recomputes conflicts, puts uid and resourceVersion into the body
and tries again a bounded number of times when the object moved in between (docs/semantics.md 24 to
28). Used by apply alone; decides nothing that the plan has not decided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from planner.changes import (
    ActionId,
    AfterAction,
    AnyState,
    Change,
    MustBe,
    MustBeAbsent,
    Verb,
)
from planner.impact import impact_of, owns_machines
from planner.leftovers import letting_go, settled
from planner.ssa import merged, peoples_tool, says, split_conflicts, with_defaults
from planner.topologies import Surroundings
from providers.base import Effect
from providers.builtin import Served
from providers.kube.answers import ApiError
from providers.kube.client import KubeClient
from providers.registry import rules
from providers.secrets import told_by_kind, unhashed_paths
from state.errors import ClusterformError
from state.fields import MISSING, owners, set_at, value_at
from state.fingerprint import (
    Fingerprint,
    fingerprint,
    leaf_hashes,
    path_key,
    path_of,
    watched_paths,
)
from state.live import Absent, Present, Unreadable
from state.resource import FieldPath, JsonObject, SecretRef, path_text
from state.writer import MANAGER

ATTEMPTS = 4
"""Re-reads of an object whose resourceVersion moved under a write: status is busy."""
ATTEMPTS_WHILE_BUSY = 12
"""Of an update: controllers that write status all the time move the resourceVersion (a rollout of a
topology does so several times a second), and what the plan was made from still holds."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a write; goes into the journal and from there into the records."""

    uid: str = ""
    resource_version: str = ""
    leaves: dict[str, str] = {}
    fingerprint: Fingerprint = {}
    """Over what the next step of the same object would send."""
    note: str = ""


class Writer:
    """Performs changes. Thread-safe: holds only what is the same for all of them."""

    def __init__(
        self,
        *,
        client: Callable[[str], KubeClient],
        secrets: Mapping[SecretRef, str],
        around: Surroundings,
        results: Callable[[ActionId], Written | None],
        next_step: Callable[[ActionId], Change | None],
        may_write: Callable[[], bool],
        pause: Callable[[float], None],
    ) -> None:
        self._client = client
        self._secrets = secrets
        self._around = around
        self._facts = around.facts
        self._results = results
        self._next_step = next_step
        self._may_write = may_write
        self._pause = pause

    def perform(self, change: Change) -> Written:
        """Write `change`; raises ClusterformError ('stale', api-…) when it must not be written."""
        match change.verb:
            case Verb.FORGET:
                return Written(note="record dropped")
            case Verb.PRUNE:
                return self._prune(change)
            case Verb.DELETE:
                return self._delete(change)
            case Verb.REPLACE if change.action.step == 0:
                return self._delete(change)
            case _:
                return self._apply(change)

    def landed(self, change: Change) -> Written | None:
        """Whether an intent without a result was carried out after all (semantics 27).

        A create: our entry under the fleet's label says exactly this. A delete: the object is gone
        or going. Otherwise None: then the precondition decides again.
        """
        found = self._read(change)
        if isinstance(found, Unreadable):
            raise ClusterformError("api-unavailable", found.reason, where=str(change.id))
        if change.deletes:
            gone = isinstance(found, Absent) or found.deleting or self._another(change, found)
            return Written(note="was deleted before the interruption") if gone else None
        if change.verb is Verb.FORGET or not isinstance(found, Present):
            return None
        full = self._body(change, found)
        if not says(full, found):
            return None
        return self._written(change, found, "was written before the interruption")

    @staticmethod
    def _another(change: Change, found: Present) -> bool:
        return isinstance(change.precondition, MustBe) and found.uid != change.precondition.uid

    # ------------------------------------------------------------------ apply

    def _apply(self, change: Change) -> Written:
        if isinstance(change.precondition, MustBeAbsent) or self._after_removal(change):
            return self._create(change)
        if isinstance(change.precondition, AnyState) and isinstance(self._read(change), Absent):
            return self._create(change)
        for attempt in range(ATTEMPTS_WHILE_BUSY):
            found = self._expect(change)
            body = self._body(change, found)
            body["metadata"]["uid"] = found.uid
            body["metadata"]["resourceVersion"] = found.resource_version
            try:
                answer = self._send(change, body, force=self._force(change, body, found))
                return self._written(change, self._let_go(change, answer))
            except ApiError as error:
                if error.code == "api-stale" and attempt + 1 < ATTEMPTS_WHILE_BUSY:
                    self._pause(min(2.0, 0.05 * 2**attempt))
                    continue
                if error.code == "api-stale":
                    raise _stale(change, "somebody keeps writing to it") from None
                if error.code == "api-ambiguous":
                    return self._read_back(change, error)
                raise
        raise AssertionError("unreachable")

    def _let_go(self, change: Change, live: Present) -> Present:
        """Take what is ours now from those who applied the object before us, as planned.

        Status is busy: against a moved object the patch is made anew, a bounded number of times.
        What is cut off here shows in the next plan.
        """
        for attempt in range(ATTEMPTS):
            patch = letting_go(live, change.releases) if change.releases else None
            if patch is None:
                return live
            if not self._may_write():
                raise ClusterformError("lock-lost", "the lock is lost: nothing more is written")
            try:
                client = self._client(change.id.cluster)
                return client.patch(change.id, change.version, _served(change), patch)
            except ApiError as error:
                if error.code not in ("api-stale", "api-ambiguous") or attempt + 1 == ATTEMPTS:
                    raise
                found = self._read(change)
                if not isinstance(found, Present) or found.uid != live.uid:
                    raise
                live = found
        raise AssertionError("unreachable")

    def _after_removal(self, change: Change) -> bool:
        """Step 1 of a replacement: its object has to be gone, like before any create."""
        return change.verb is Verb.REPLACE and isinstance(change.precondition, AfterAction)

    def _create(self, change: Change) -> Written:
        """Can only create, so that one whose answer was lost may be sent again."""
        body = self._body(change, None)
        unsure = False
        for attempt in range(ATTEMPTS):
            try:
                return self._written(change, self._send(change, body, create_only=True))
            except ApiError as error:
                if error.code == "api-exists" and not unsure:
                    raise _stale(change, "it exists now; somebody made it since the plan") from None
                if error.code not in ("api-ambiguous", "api-exists"):
                    raise
                found = self._read(change)
                if isinstance(found, Present) and says(self._body(change, found), found):
                    return self._written(change, found, "confirmed by reading it back")
                if error.code == "api-exists":
                    raise _stale(change, "it exists now; somebody made it since the plan") from None
                if not isinstance(found, Absent) or attempt + 1 == ATTEMPTS:
                    raise
                unsure = True
        raise AssertionError("unreachable")

    def _send(
        self, change: Change, body: JsonObject, *, force: bool = False, create_only: bool = False
    ) -> Present:
        if not self._may_write():
            raise ClusterformError("lock-lost", "the lock is lost: nothing more is written")
        return self._client(change.id.cluster).apply(
            change.id,
            change.version,
            _served(change),
            body,
            force=force,
            create_only=create_only,
        )

    def _read_back(self, change: Change, error: ApiError) -> Written:
        """No answer came: the object itself says whether the write happened."""
        found = self._read(change)
        if isinstance(found, Present) and says(self._body(change, found), found):
            return self._written(change, found, "confirmed by reading it back")
        raise error

    def _expect(self, change: Change) -> Present:
        """The live object, if it is still the one that the change was decided from."""
        found = self._read(change)
        if isinstance(found, Unreadable):
            raise ClusterformError("api-unavailable", found.reason, where=str(change.id))
        if isinstance(found, Absent):
            raise _stale(change, "it is gone")
        before = change.precondition
        if isinstance(before, AfterAction):
            self._check_step(change, before, found)
        elif isinstance(before, MustBe):
            check_fingerprint(change, before, found)
            self._check_impact(change, found)
        elif not isinstance(before, AnyState):
            raise _stale(change, "it exists now")
        return found

    def _check_step(self, change: Change, before: AfterAction, found: Present) -> None:
        earlier = self._results(before.action)
        if earlier is None:
            raise _stale(change, "the step before it has no result")
        moved = MustBe(uid=earlier.uid, fingerprint=earlier.fingerprint)
        check_fingerprint(change, moved, found)

    def _check_impact(self, change: Change, found: Present) -> None:
        """Facts are read again: a larger effect than the plan showed is stale (semantics 25)."""
        if not owns_machines(change.id) or change.ownership_only:
            return
        self._facts.forget(change.unit)
        after = merged(found, self._body(change, found))
        after = with_defaults(after, found.body, rules(change.id.group, change.id.kind))
        now = impact_of(change.id, change.unit, found, after, self._around)
        if now is None:
            return
        if now.effect is Effect.UNKNOWN and change.impact.effect is not Effect.UNKNOWN:
            raise _stale(change, f"what it does to machines is not known now: {now.because}")
        if now.touched > change.impact.touched:
            raise _stale(
                change,
                f"it would touch {now.touched} machines, the plan says {change.impact.touched}",
            )

    def _check_destroyed(self, change: Change, found: Present) -> None:
        """Machines that came since the plan are not destroyed with what it named."""
        if change.impact.effect is not Effect.DESTROYS:
            return
        self._facts.forget(change.unit)
        count, unreadable = self._facts.destroyed(change.id, change.unit, found.body)
        if unreadable:
            raise _stale(change, f"what it destroys is not known now: {unreadable}")
        if count > change.impact.destroyed:
            raise _stale(
                change,
                f"it would destroy {count} machines, the plan says {change.impact.destroyed}",
            )

    def _force(self, change: Change, body: JsonObject, found: Present) -> bool:
        """Force only if every conflict is one that the plan takes back (semantics 11)."""
        adopting = change.verb is Verb.ADOPT
        takes, conflicts = split_conflicts(body, found, settled if adopting else peoples_tool)
        planned = {t.path for t in change.takes}
        if adopting and not found.managers:
            return True  # the server gives all fields to `before-first-apply` at this apply
        held = [(t.path, t.manager) for t in takes] + [(c.path, c.manager) for c in conflicts]
        for path, manager in held:
            if path not in planned:
                raise _stale(change, f"{path_text(path)} belongs to {manager} now")
        return bool(takes)

    # ------------------------------------------------------------------ delete

    def _delete(self, change: Change) -> Written:
        for attempt in range(ATTEMPTS):
            found = self._read(change)
            if isinstance(found, Unreadable):
                raise ClusterformError("api-unavailable", found.reason, where=str(change.id))
            if isinstance(found, Absent):
                return Written(note="was gone already")
            if found.deleting:
                return Written(uid=found.uid, note="was being deleted already")
            if isinstance(change.precondition, MustBe):
                check_fingerprint(change, change.precondition, found)
            self._check_destroyed(change, found)
            try:
                return self._send_delete(change, found)
            except ApiError as error:
                if error.code == "api-not-found":
                    return Written(note="was gone already")
                if error.code not in ("api-stale", "api-ambiguous") or attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _send_delete(self, change: Change, found: Present) -> Written:
        if not self._may_write():
            raise ClusterformError("lock-lost", "the lock is lost: nothing more is written")
        self._client(change.id.cluster).delete(
            change.id,
            change.version,
            _served(change),
            uid=found.uid,
            resource_version=found.resource_version,
        )
        return Written(uid=found.uid)

    def _prune(self, change: Change) -> Written:
        """A template generation goes only if nothing uses it, looked up now (semantics 18)."""
        found = self._read(change)
        if isinstance(found, Absent):
            return Written(note="was gone already")
        users = self._facts.users_of(change.id)
        if users:
            raise ClusterformError(
                "in-use",
                f"{change.id} is still used by {users[0]}",
                hint="the next apply prunes it once nothing is made from it any more",
            )
        return self._delete(change)

    # ------------------------------------------------------------------ pieces

    def _read(self, change: Change) -> Present | Absent | Unreadable:
        return self._client(change.id.cluster).get(change.id, change.version, _served(change))

    def _body(self, change: Change, live: Present | None) -> JsonObject:
        """The body with secret values and live references filled in; in memory only."""
        body: JsonObject = msgspec.json.decode(change.body)
        for path, ref in change.secrets:
            set_at(body, path, self._secrets[ref])
        if live is not None:
            for path in change.live_refs:
                held = value_at(live.body, path)
                if held is not MISSING:
                    set_at(body, path, held)
        return body

    def _written(self, change: Change, answer: Present, note: str = "") -> Written:
        body: JsonObject = msgspec.json.decode(change.body)
        following = self._next_step(change.action)
        after: Fingerprint = {}
        if following is not None:
            next_body: JsonObject = msgspec.json.decode(following.body)
            hidden = _sensitive(following, answer)
            after = fingerprint(answer, watched_paths(next_body, answer, ()), hidden)
        return Written(
            uid=answer.uid,
            resource_version=answer.resource_version,
            leaves=leaf_hashes(body, answer),
            fingerprint=after,
            note=note,
        )


def check_fingerprint(change: Change, before: MustBe, found: Present) -> None:
    """Raise 'stale' with the paths that moved, and the old value where the plan shows it."""
    if found.uid != before.uid:
        raise _stale(change, "it was deleted and made again under the same name")
    paths = [path_of(key) for key in before.fingerprint]
    sensitive = _sensitive(change, found)
    now = fingerprint(found, paths, sensitive)
    moved = [p for p in paths if now[path_key(p)] != before.fingerprint[path_key(p)]]
    versioned = before.resource_version and before.resource_version != found.resource_version
    if versioned or (before.generation and before.generation != found.metadata.generation):
        moved = moved or sorted(sensitive)[:1]
    if moved:
        raise _stale(change, "\n".join(_moved_line(change, p, found, sensitive) for p in moved[:5]))


def _sensitive(change: Change, live: Present) -> set[FieldPath]:
    """As the plan took them out of its fingerprint."""
    hidden = {path for path, _ in change.secrets if not told_by_kind(change.id, path)}
    if isinstance(change.precondition, MustBe):
        hidden |= set(change.precondition.hidden)
    return unhashed_paths(change.id, live.body, hidden)


def _moved_line(change: Change, path: FieldPath, found: Present, sensitive: set[FieldPath]) -> str:
    text = path_text(path)
    others = ", ".join(m for m in owners(found, path) if m != MANAGER)
    by = f" (changed by {others})" if others else ""
    if any(path[: len(s)] == s or s[: len(path)] == path for s in sensitive):
        return f"{text} may have changed (sensitive){by}"
    now = value_at(found.body, path)
    shown = next((f.before for f in change.fields if f.path == path), msgspec.UNSET)
    old = "" if shown is msgspec.UNSET else f" was {_json(shown)},"
    return f"{text}{old} is {'gone' if now is MISSING else _json(now)} now{by}"


def _json(shown: object) -> str:
    text = msgspec.json.encode(shown).decode()
    return text if len(text) <= 80 else text[:77] + "…"


def _stale(change: Change, detail: str) -> ClusterformError:
    return ClusterformError(
        "stale",
        f"{change.id} is not what this plan was made from",
        detail=detail,
        hint="make a new plan: clusterform plan -o plan.json",
    )


def _served(change: Change) -> Served:
    return Served(change.plural, change.namespaced)

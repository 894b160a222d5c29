"""One change of a desired object, put together; and what becomes of an object that is held back.

What every way of deciding needs (`planner.work`, `planner.hookruns`): body, precondition, origin,
release; the phantom of an object that nothing is planned for, so that what waits for it waits too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from planner.changes import (
    ActionId,
    AnyState,
    Change,
    Confidence,
    Finding,
    MustBe,
    MustBeAbsent,
    Precondition,
    Verb,
)
from planner.outcome import Context, Decider, Outcome
from planner.planned import Planned
from planner.resolve import desired_body, is_template
from planner.standing import Fates
from planner.takeover import Hold
from planner.units import cluster_of_unit, is_workload
from providers.base import references, values
from providers.builtin import Served
from providers.management import NAMESPACE
from providers.registry import needed, rules
from providers.secrets import told_by_kind, unhashed_paths
from state.fingerprint import fingerprint, watched_paths
from state.live import Absent, Observation, Present
from state.resource import JsonObject, Release, Resource, ResourceId, canonical


class Maker(Decider):
    """Makes changes of desired objects. Holds what is the same for all of them."""

    def __init__(self, context: Context, fates: Fates, desired: Collection[ResourceId]) -> None:
        super().__init__(context, fates)
        self._desired = desired

    def _change(
        self,
        resource: Resource,
        body: JsonObject,
        served: Served,
        *,
        verb: Verb,
        precondition: Precondition,
        confidence: Confidence,
        step: int = 0,
    ) -> Change:
        kind_rules = rules(resource.id.group, resource.id.kind)
        targets = {r.target for r in references(body, resource.id, kind_rules)}
        return Change(
            action=ActionId(resource.id, step),
            version=resource.version,
            plural=served.plural,
            namespaced=served.namespaced,
            unit=resource.unit,
            verb=verb,
            body=msgspec.Raw(canonical(body)),
            secrets=resource.secrets,
            confidence=confidence,
            precondition=precondition,
            origin=resource.origin,
            release=resource.release,
            release_before=self._release_before(resource),
            hook=resource.hook,
            logical=resource.logical,
            depends_on=tuple(sorted(targets)),
        )

    def _release_before(self, resource: Resource) -> Release | None:
        recorded = self._context.records.get(resource.id)
        before = recorded.release if recorded is not None else None
        return before if before != resource.release else None

    def _must_be(self, resource: Resource, body: JsonObject, live: Present) -> MustBe:
        id_ = resource.id
        kind_rules = rules(id_.group, id_.kind)
        reads = [path for dotted in kind_rules.reads for path, _ in values(live.body, dotted)]
        recorded = self._context.records.get(id_)
        hidden = {path for path, _ in resource.secrets if not told_by_kind(id_, path)}
        hidden |= set(recorded.hidden if recorded else ())
        sensitive = unhashed_paths(id_, live.body, hidden)
        paths = {*watched_paths(body, live, reads), *sensitive}
        return MustBe(
            uid=live.uid,
            fingerprint=fingerprint(live, sorted(paths), sensitive),
            generation=live.metadata.generation if sensitive else 0,
            resource_version=live.resource_version
            if sensitive and not live.metadata.generation
            else "",
            hidden=tuple(sorted(hidden)),
        )

    def _dangling(self, resource: Resource) -> Iterator[Finding]:
        """What a written object refers to and nobody has: its controller would wait for ever."""
        for target in needed(resource.decoded(), resource.id):
            if target in self._desired:
                continue
            if isinstance(self._context.observe(target), Absent):
                yield Finding(
                    kind="warning",
                    summary=f"{resource.id} refers to {target}, which is neither in Git nor live",
                    unit=resource.unit,
                    where=str(resource.origin),
                )

    def _nowhere(self, resource: Resource) -> str:
        """Why its namespace takes nothing new. Of a cluster without an API nothing is known."""
        id_ = resource.id
        home = ResourceId(id_.cluster, "", NAMESPACE.kind, "", id_.namespace)
        if not id_.namespace or id_.cluster in self._context.empty_clusters:
            return ""
        live = self._context.observe(home)
        if isinstance(live, Present) and live.deleting:
            return f"its namespace {id_.namespace} is being deleted"
        if home not in self._desired and isinstance(live, Absent):
            return f"its namespace {id_.namespace} is neither in Git nor live"
        return ""

    def _before_create(self, id_: ResourceId) -> Precondition:
        """In a cluster that this run brings up kubeadm may have been first (semantics 26)."""
        if id_.cluster in self._context.empty_clusters:
            return AnyState(reason="the cluster is made in this run")
        return MustBeAbsent()

    def _homeless(self, resource: Resource) -> bool:
        """An add-on of a cluster that is neither declared nor there: a typo in its annotation."""
        if not is_workload(resource.id.cluster):
            return False
        cluster = cluster_of_unit(resource.unit)
        return (
            cluster is not None
            and cluster not in self._desired
            and isinstance(self._context.observe(cluster), Absent)
        )

    # ------------------------------------------------------------------ held back

    def _phantom(self, resource: Resource, out: Outcome, after: JsonObject | None = None) -> None:
        """A held object of Git, so that the order can say what waits for it."""
        served = self._served(resource.id) or Served("", bool(resource.id.namespace))
        body = desired_body(resource, self._context.fleet)
        change = self._change(
            resource,
            body,
            served,
            verb=Verb.UPDATE,
            precondition=MustBeAbsent(),
            confidence=Confidence.STATIC,
        )
        live = self._context.observe(resource.id)
        out.phantoms.append(
            Planned(
                change=change,
                after=after or body,
                live=live if isinstance(live, Present) else None,
                phantom=True,
            )
        )

    def _refused(self, id_: ResourceId, resource: Resource, reason: str, out: Outcome) -> None:
        out.refused[id_] = reason
        out.findings.append(
            Finding(
                kind="refused",
                summary=f"{id_}: {reason}",
                unit=resource.unit,
                where=str(resource.origin),
            )
        )

    def _hold(self, resource: Resource, hold: Hold, out: Outcome) -> None:
        """Said once for its release (planner.takeover)."""
        if hold.unread:
            out.blocked[resource.id] = hold.reason
            out.unread.add(resource.id)
        else:
            out.refused[resource.id] = hold.reason
        self._phantom(resource, out)

    def _suspend(self, resource: Resource, out: Outcome) -> None:
        """Nothing happens to it until its release is resumed; what waits for it waits too."""
        assert resource.release is not None
        out.suspended[resource.id] = f"{resource.release.text} is suspended"
        self._phantom(resource, out)

    def _sealed(self, resource: Resource, live: Observation, out: Outcome) -> None:
        """What SOPS encrypted is left as it is: a plan decrypts nothing (docs/security.md)."""
        there = isinstance(live, Present)
        text = "left as it is" if there else "not made"
        out.findings.append(
            Finding(
                kind="warning" if there else "blocked",
                summary=f"{resource.id} is encrypted by SOPS: {text}",
                unit=resource.unit,
                where=str(resource.origin),
                hint="its values are not known: leave templates and numbers in clear"
                if self._context.decrypts
                else "let Flux apply it, or say decryption: {provider: sops} in clusterform.yaml",
            )
        )
        if not there:
            out.blocked[resource.id] = "it is encrypted by SOPS"
            self._phantom(resource, out)

    def _opens(self, resource: Resource) -> bool:
        """The apply decrypts it. A template's name would hang on values that a plan cannot know,
        and an encrypted number is none that we could put in its place."""
        typed = any(ref.transform == "typed" for _, ref in resource.secrets)
        return self._context.decrypts and not is_template(resource.id) and not typed

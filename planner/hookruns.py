"""Helm hooks: which of them run in a plan.

A hook runs when its release changes: `pre-install` and `post-install` where nothing of the release
was written before, else `pre-upgrade` and `post-upgrade`; where it stands in the order says
`planner.hookorder`. Source: helm/helm v4.2, pkg/action/hooks.go; docs/gitops.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from planner.changes import AfterAction, Confidence, Verb
from planner.expansions import release_key
from planner.outcome import Outcome
from planner.planned import Planned
from planner.resolve import FLEET_LABEL, desired_body
from planner.work import Declared
from providers.builtin import Served
from state.live import Observation, Present, Unreadable
from state.resource import Resource


class Hooks(Declared):
    """Decides the hooks of releases, once everything else is decided."""

    def run(self, resources: Iterable[Resource], out: Outcome) -> None:
        """Plan the hooks of every release that `out` changes."""
        listed = [r for r in resources if r.hook is not None and r.release is not None]
        if not listed:
            return
        changed = {
            release_key(p.change.id.cluster, p.change.release)
            for p in out.planned
            if p.change.release is not None
        }
        installed = {
            release_key(id_.cluster, recorded.release)
            for id_, recorded in self._context.records.items()
            if recorded.release is not None
        }
        for resource in listed:
            assert resource.hook is not None
            assert resource.release is not None
            key = release_key(resource.id.cluster, resource.release)
            moment = "upgrade" if key in installed else "install"
            event = next((e for e in resource.hook.events if e.endswith(moment)), "")
            if key in changed and event:
                self._run(resource, f"{event} hook of {resource.release.text}", out)

    def _run(self, resource: Resource, reason: str, out: Outcome) -> None:
        """An object that is made anew at a moment of its release (`before-hook-creation`)."""
        live = self._context.observe(resource.id)
        served = self._served(resource.id)
        why = self._nowhere(resource)
        if isinstance(live, Unreadable):
            self._blocked(resource.id, resource.unit, live.reason, out, unread=True)
        elif served is None or why:
            reason = why or f"no server knows {resource.version} {resource.id.kind}"
            self._blocked(resource.id, resource.unit, reason, out, unread=False)
        elif isinstance(live, Present) and live.labels.get(FLEET_LABEL) != self._context.fleet:
            self._refused(resource.id, resource, "it is a hook, and somebody else's is there", out)
        else:
            self._made_anew(resource, served, live, reason, out)

    def _made_anew(
        self, resource: Resource, served: Served, live: Observation, reason: str, out: Outcome
    ) -> None:
        body = desired_body(resource, self._context.fleet)
        removal = None
        if isinstance(live, Present):
            removal = self._removal(resource.id, live, resource.unit, Verb.REPLACE, reason)
            out.planned.append(Planned(change=removal, after=None, live=live))
        made = self._change(
            resource,
            body,
            served,
            verb=Verb.REPLACE if removal else Verb.CREATE,
            precondition=AfterAction(action=removal.action)
            if removal
            else self._before_create(resource.id),
            confidence=Confidence.STATIC,
            step=1 if removal else 0,
        )
        made = msgspec.structs.replace(made, reason=reason)
        out.planned.append(Planned(change=made, after=body, live=None))

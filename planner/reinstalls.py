"""What Helm or Flux would uninstall and install again, though an apply of ours changes in place.

A HelmRelease whose `releaseName`, chart name, `targetNamespace` or `storageNamespace` changes is
uninstalled first; an object that moves from one Kustomization to another is deleted by the first
one or not, whoever reconciles first (5 of 8 moves re-created it). For a cluster that means all of
its machines, so it needs consent even where clusterform itself would do no harm: the
same commit may be read by Flux. Source: helm-controller v1.6, kustomize-controller v1.9, measured
(docs/gitops.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import msgspec

from planner.changes import Refusal
from state.recorded import Records
from state.resource import Release, Resource, ResourceId

_IDENTITY = (
    ("release_name", "releaseName"),
    ("chart", "chart name"),
    ("target_namespace", "targetNamespace"),
    ("storage_namespace", "storageNamespace"),
)


class Reinstall(msgspec.Struct, frozen=True, kw_only=True):
    """One release, and the objects that would go and come again."""

    release: Release
    management: str
    why: str
    """`releaseName shop → shop2`, `moves from Kustomization a/b`."""
    objects: tuple[ResourceId, ...]

    @property
    def id(self) -> ResourceId:
        """How `--allow-destroy` names it."""
        kind, release = self.release.kind, self.release
        return ResourceId(self.management, "", kind, release.namespace, release.name)


def reinstalls(resources: Iterable[Resource], records: Records) -> list[Reinstall]:
    """Releases that are not what they were when their objects were last written, sorted."""
    found: dict[tuple[Release, str, str], list[ResourceId]] = {}
    for resource in resources:
        recorded = records.get(resource.id)
        if resource.release is None or recorded is None or recorded.release is None:
            continue
        why = _why(recorded.release, resource.release)
        if why:
            management = resource.id.cluster.partition("/")[0]
            key = (resource.release, management, why)
            found.setdefault(key, []).append(resource.id)
    made = [
        Reinstall(release=release, management=management, why=why, objects=tuple(sorted(ids)))
        for (release, management, why), ids in found.items()
    ]
    return sorted(made, key=lambda r: (r.management, r.release.text, r.why))


def _why(before: Release, after: Release) -> str:
    if (before.kind, before.namespace, before.name) == (after.kind, after.namespace, after.name):
        changed = [
            f"{name} {getattr(before, field)} → {getattr(after, field)}"
            for field, name in _IDENTITY
            if after.kind == "HelmRelease" and getattr(before, field) != getattr(after, field)
        ]
        return ", ".join(changed)
    if before.kind == after.kind and after.kind in ("Kustomization", "HelmRelease"):
        return f"moves from {before.text}"
    return ""


def refusals(
    found: Iterable[Reinstall],
    machines_of: Callable[[ResourceId], int | None],
    named: Collection[ResourceId],
) -> Iterator[Refusal]:
    """A refusal for every release whose clusters would go, unless it was named.

    `machines_of`: the machines of a Cluster that is live; None for what is no live Cluster.
    """
    for each in found:
        clusters: Mapping[ResourceId, int] = {
            id_: count for id_ in each.objects if (count := machines_of(id_)) is not None
        }
        if not clusters or each.id in named:
            continue
        what = ", ".join(f"{id_} ({count} machines)" for id_, count in clusters.items())
        moves = each.why.startswith("moves")
        verb = "may delete and create again" if moves else "would uninstall and install again"
        yield Refusal(
            code="release-reinstalled",
            summary=f"{each.release.text}: {each.why}: {'Flux' if moves else 'Helm'} {verb}"
            f" and so destroy {what}",
            units=tuple(f"{i.cluster}/{i.qualified_name}" for i in clusters),
            override=f"undo it, or agree with --allow-destroy {each.release.kind}/"
            f"{each.release.namespace}/{each.release.name} (clusterform itself changes in place)",
        )

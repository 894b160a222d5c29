"""What changes are rendered from, in a few words: releases, their charts, old and new versions."""

from __future__ import annotations

from collections.abc import Iterable

from planner.changes import Change
from planner.views.clean import clean, plural
from state.resource import JsonObject, Release

_LISTED = 3


def releases_text(changes: Iterable[Change]) -> str:
    """`HelmRelease shop/shop, chart vsphere-cluster 1.4.0 → 1.5.0`; `""` for plain manifests."""
    found: dict[str, list[str]] = {}
    for change in changes:
        if change.release is None:
            continue
        made = _made(change.release, change.release_before)
        names = found.setdefault(made, [])
        if change.release.text not in names:
            names.append(change.release.text)
    return "; ".join(_listed(names) + made for made, names in sorted(found.items()))


def _listed(names: list[str]) -> str:
    if len(names) <= _LISTED:
        return clean(", ".join(sorted(names)))
    kinds = {name.partition(" ")[0] for name in names}
    return plural(len(names), kinds.pop() if len(kinds) == 1 else "release")


def _made(release: Release, before: Release | None) -> str:
    if not release.chart:
        return ""
    old = f"{before.version} → " if before and before.version != release.version else ""
    return clean(f", chart {release.chart} {old}{release.version}")


def release_json(release: Release | None) -> JsonObject | None:
    """A release as data."""
    if release is None:
        return None
    return {
        "kind": release.kind,
        "namespace": release.namespace,
        "name": release.name,
        "chart": release.chart,
        "version": release.version,
        "release_name": release.release_name,
        "target_namespace": release.target_namespace,
        "storage_namespace": release.storage_namespace,
    }

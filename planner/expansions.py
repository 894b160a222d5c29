"""What expanding releases leaves behind beside their objects: the charts, and the order."""

from __future__ import annotations

import msgspec

from state.resource import Release, ResourceId

ALONE = "chart"
"""The kind of `Release` of a chart that a test renders by itself."""


class Chart(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A chart that releases were rendered from."""

    name: str
    version: str
    digest: str
    """SHA-256 over its files."""
    where: str
    lookups: int = 0
    """Places where it asks the cluster; rendered without one, they found nothing."""
    tests: int = 0
    """Hooks that are tests: they are left out."""


class UsedSource(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A place outside the repository that files were taken from."""

    url: str
    """As the repository names it; without credentials."""
    where: str
    """The folder of `spec.sources`, or `clusterform.lock`."""
    revision: str = ""
    """Commit of the folder, `not in Git`, or what the lock says it resolved to."""
    digest: str = ""
    """Of a locked one: `sha256:…` of its archive."""


class Order(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """All objects of one release come before those of another."""

    before: str
    """A `release_key`."""
    after: str
    reason: str
    awaits: ResourceId | None = None
    """Where an add-on provider applies `before`: the object that says how far it is."""


def release_key(cluster: str, release: Release) -> str:
    """A release in a cluster: `mgmt HelmRelease team-a/shop`, `mgmt/team-a/shop profile base`."""
    return f"{cluster} {release.text}"

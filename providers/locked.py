"""`clusterform.lock` as a value: what every remote source resolved to, and what clusters serve.

One JSON file of the repository, sorted and one fact a line, so that a pull request shows what
moved. It holds no credentials: URLs lose user name and password (of ssh the password).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from providers.flux.sources import Source, SourceRevision, normal_url
from state.errors import ClusterformError
from state.resource import canonical

FILE = "clusterform.lock"
FORMAT = 1
"""Counts up whenever a reader of today could not understand the file."""

Kind = Literal["git", "helm", "oci", "bucket", "other"]
_ASKED = ("commit", "digest", "name", "semver", "tag", "branch")
"""Flux prefers the first of these that is set (source-controller, GitRepository `.spec.ref`)."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a release asks of the network."""

    kind: Kind
    url: str
    """Without credentials. Of a chart in an OCI registry with the chart's name at the end."""
    asked: SourceRevision = SourceRevision()
    """Of a chart `semver` is its version or a constraint."""
    chart: str = ""
    """Name of the chart that is wanted; `""`: all files of the source."""
    layer: str = ""
    """Of an artifact in an OCI registry: media type of the layer that is wanted."""
    submodules: bool = False
    """Of a Git repository: with the files of its submodules, at the commits that it names."""

    @property
    def key(self) -> tuple[str, ...]:
        """The same for every spelling of the URL."""
        asked = canonical(self.asked).decode()
        more = ("submodules",) if self.submodules else ()
        return (self.kind, normal_url(self.url), self.chart, self.layer, asked, *more)

    @property
    def text(self) -> str:
        """For people: `https://charts.example.org metrics 1.x`."""
        more = "with submodules" if self.submodules else ""
        return " ".join(part for part in (self.url, self.chart, self.asked_text, more) if part)

    @property
    def asked_text(self) -> str:
        """What was asked for, in words: `branch main`, `1.x`."""
        for field in _ASKED:
            if found := getattr(self.asked, field):
                return str(found) if field == "semver" else f"{field} {found}"
        return ""


class Locked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A source that is pinned."""

    kind: Kind
    url: str
    chart: str = ""
    layer: str = ""
    submodules: bool = False
    asked: SourceRevision = SourceRevision()
    resolved: str
    """Commit, chart version or digest of a manifest; after `TAG@` where a tag was chosen."""
    digest: str
    """`sha256:…` of the archive in the cache (`providers.archive`)."""
    form: Literal["files", "chart"] = "files"
    """An archive of files, or a packed chart."""

    @property
    def wanted(self) -> Wanted:
        """What it answers."""
        return Wanted(
            kind=self.kind,
            url=self.url,
            asked=self.asked,
            chart=self.chart,
            layer=self.layer,
            submodules=self.submodules,
        )

    @property
    def pinned(self) -> str:
        """What is fetched: `resolved` without the tag."""
        return self.resolved.rpartition("@")[2]


class ClusterFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What charts may ask of a management cluster (`.Capabilities`)."""

    name: str
    kubernetes: str
    """Version of its API server."""
    kinds: dict[str, Literal["Namespaced", "Cluster"]] = {}
    """`apps/v1/Deployment` → its scope, of every kind that can be listed."""

    @property
    def api_versions(self) -> tuple[str, ...]:
        """As Helm's `.Capabilities.APIVersions`: versions, and kinds with their version."""
        versions = {kind.rpartition("/")[0] for kind in self.kinds}
        return tuple(sorted(versions | self.kinds.keys()))


class Lock(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole file."""

    format_version: int = FORMAT
    sources: tuple[Locked, ...] = ()
    clusters: tuple[ClusterFacts, ...] = ()
    schemas: str = ""
    """`sha256:…` of the file with CRDs of management clusters (`providers.crds`); `""`: none."""

    def find(self, wanted: Wanted) -> Locked | None:
        """The pin of what is wanted, if there is one."""
        return next((s for s in self.sources if s.wanted.key == wanted.key), None)

    def cluster(self, name: str) -> ClusterFacts | None:
        """What is known of a management cluster."""
        return next((c for c in self.clusters if c.name == name), None)


class _Version(msgspec.Struct, rename="camel"):
    format_version: int = 0


class _Strict(Lock, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The file's top level knows no other fields."""


def read(content: bytes) -> Lock:
    """The lock of a file's bytes. Raises ClusterformError('bad-lock')."""
    try:
        version = msgspec.json.decode(content, type=_Version).format_version
        if version != FORMAT:
            raise _bad(
                f"it is of format {version}, and this clusterform reads {FORMAT}",
                "use a newer clusterform" if version > FORMAT else _ANEW,
            )
        found = msgspec.json.decode(content, type=_Strict)
    except msgspec.DecodeError as error:
        raise _bad(str(error), _ANEW) from None
    digests = [(source.url, source.digest) for source in found.sources]
    digests += [("schemas", found.schemas)] if found.schemas else []
    for what, digest in digests:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise _bad(f"{what}: {digest!r} is no digest", _ANEW)
    return Lock(sources=found.sources, clusters=found.clusters, schemas=found.schemas)


def write(lock: Lock) -> bytes:
    """The file's bytes: sorted, so that equal locks are equal files."""
    ordered = Lock(
        sources=tuple(sorted(lock.sources, key=lambda s: s.wanted.key)),
        clusters=tuple(sorted(lock.clusters, key=lambda c: c.name)),
        schemas=lock.schemas,
    )
    # Fields in their order of reading; only the kinds of clusters are a map to sort.
    text = msgspec.json.encode(ordered, order="deterministic")
    return msgspec.json.format(text, indent=2) + b"\n"


_ANEW = "resolve the merge, or remove the file and run clusterform sources lock"


def _bad(why: str, hint: str) -> ClusterformError:
    return ClusterformError("bad-lock", f"{FILE} cannot be used: {why}", where=FILE, hint=hint)


# ---------------------------------------------------------------------- what is wanted

_USER = re.compile(r"^([a-z][a-z0-9+.-]*)://([^/@]*)@", re.IGNORECASE)


def clean_url(url: str) -> str:
    """A URL without credentials; of ssh the user name stays, it is part of the address."""
    found = _USER.match(url.strip())
    if found is None:
        return url.strip()
    user = found[2].partition(":")[0] + "@" if found[1].lower() == "ssh" else ""
    return f"{found[1]}://{user}{url.strip()[found.end() :]}"


def of_git(url: str, asked: SourceRevision) -> Wanted:
    """The files of a Git repository."""
    return Wanted(kind="git", url=clean_url(url), asked=asked)


def of_chart(url: str, name: str, version: str) -> Wanted:
    """A chart of a repository, over HTTP or in an OCI registry. `*` is what no version means."""
    url = clean_url(url).rstrip("/")
    asked = SourceRevision(semver=version if version != "*" else "")
    if url.lower().startswith("oci://"):
        return Wanted(kind="oci", url=f"{url}/{name}", asked=asked, chart=name)
    return Wanted(kind="helm", url=url, asked=asked, chart=name)


_KINDS: dict[str, Kind] = {"GitRepository": "git", "OCIRepository": "oci", "Bucket": "bucket"}


def of_source(source: Source) -> Wanted:
    """All files of a Flux source."""
    return Wanted(
        kind=_KINDS.get(source.kind, "other"),
        url=clean_url(source.url),
        asked=source.revision,
        layer=source.layer_media_type,
        submodules=source.recurse_submodules and source.kind == "GitRepository",
    )


def names(wanted: Wanted, askers: Iterable[str]) -> set[str]:
    """By what a source can be called on the command line: URL, chart, name of its object."""
    called = {wanted.url, normal_url(wanted.url), wanted.chart, *askers}
    called |= {name.rpartition("/")[2] for name in askers}
    return called - {""}

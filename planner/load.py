"""Source tree → what is declared: the Fleet, its providers and every document of its manifests.

Reads files only through the tree; runs nothing that it reads. Findings are collected over the
whole fleet; whoever plans refuses when one of them is an error. Identity, scope and duplicates are
not decided here.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from planner import fleetfile, manifest
from planner.expansions import Chart, Order, UsedSource
from planner.parsecache import ParseCache
from providers import secrets, yamldoc
from providers.git import SourceFile, SourceTree
from providers.locked import FILE as LOCK_FILE
from providers.yamldoc import Finding, Limits
from state.desired import FleetSpec, ManagementSpec, ProviderSpec
from state.errors import ClusterformError
from state.resource import (
    FieldPath,
    GitBlob,
    Hook,
    JsonObject,
    Origin,
    Release,
    SecretRef,
    SecretSource,
    WorktreeFile,
    split_api_version,
)

FLEET_FILE = "clusterform.yaml"
_YAML = (".yaml", ".yml")
LOCAL_FOLDER = ".clusterform"
Sensitive = Callable[[str, str], secrets.Patterns]
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_BATCH = 2_000
"""Files whose contents are in memory at a time."""


class LoadedDocument(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One declared object."""

    management: str
    version: str
    """Its `apiVersion`."""
    kind: str
    namespace: str
    """As written; `""` where it is not."""
    name: str
    body: bytes
    """Canonical JSON, sensitive values and markers taken out."""
    secrets: tuple[tuple[FieldPath, SecretRef], ...]
    origin: Origin
    cluster: str
    """`namespace/name` of the workload cluster it lives in; `""`: the management cluster."""
    provider: str
    """Tag of the provider whose component it is (`infrastructure-docker`), else `""`."""
    release: Release | None = None
    """What it was rendered from; None: it is written as it is."""
    once: bool = False
    """Created where it is missing, never changed (state.resource.Resource)."""
    hook: Hook | None = None
    """Of a Helm hook (state.resource.Resource)."""
    sealed: str = ""
    """Of one that SOPS encrypted (state.resource.Resource)."""
    inputs: str = ""
    """Of a rendered one: digest over the sources of its render's inputs (RenderedRelease)."""

    @property
    def home(self) -> str:
        """Its namespace, if its kind has one: as written, else that of its release, else `default`.

        Helm installs what names no namespace into the release's (helm/helm v4, pkg/kube/client.go).
        """
        given = self.release.target_namespace if self.release is not None else ""
        return self.namespace or given or "default"


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """A folder with a kustomization that no other one below the same paths refers to."""

    management: str
    folder: str
    provider: str
    """As of LoadedDocument."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that Git says."""

    fleet: FleetSpec
    providers: tuple[ProviderSpec, ...]
    documents: tuple[LoadedDocument, ...]
    """By management cluster, then file, then position."""
    findings: tuple[Finding, ...]
    commit: str
    uncommitted: tuple[str, ...]
    """Files read whose content is not the commit's, and committed files that are gone."""
    label: str
    """`4f2c9e1 (+1 uncommitted)`, `no commit yet`, `not in Git`."""
    skipped: tuple[str, ...]
    """What was left out on purpose, one line each: `charts/x: a Helm chart`."""
    overlays: tuple[Overlay, ...] = ()
    """Kustomizations to build (`planner.expand`)."""
    renderers: tuple[str, ...] = ()
    """What rendered charts and kustomizations: `helm-python-sdk 0.2.2 (Helm v4.2.3)`."""
    charts: tuple[Chart, ...] = ()
    """The charts that were rendered."""
    sources: tuple[UsedSource, ...] = ()
    """Places outside the repository that files were taken from."""
    lock: str = ""
    """`sha256:…` of `clusterform.lock`, where expanding looked at it."""
    orders: tuple[Order, ...] = ()
    """What releases, Kustomizations and profiles say of their order."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse a plan."""
        return tuple(found for found in self.findings if found.severity == "error")


def load(
    tree: SourceTree,
    *,
    fleet_file: str | None = None,
    cache: Path | None = None,
    sensitive: Sensitive = secrets.sensitive,
    key_dir: Path | None = None,
) -> Loaded:
    """Load a tree. `cache`: a folder for parsed files; `key_dir`: where the key of pins lies."""
    loader = _Loader(tree, cache, sensitive, key_dir or tree.root / LOCAL_FOLDER)
    fleet = loader.fleet(fleet_file)
    documents = [found for entry in fleet.management for found in loader.management(entry)]
    loader.cache.save()
    loader.findings += _unread(tree, fleet)
    uncommitted = tuple(
        p for p in tree.uncommitted if not _hidden(p) and p.endswith((*_YAML, LOCK_FILE))
    )
    return Loaded(
        fleet=fleet,
        providers=tuple(loader.providers),
        documents=tuple(documents),
        findings=tuple(sorted(loader.findings, key=lambda found: (found.path, found.line))),
        commit=tree.commit,
        uncommitted=uncommitted,
        label=tree.describe + (f" (+{len(uncommitted)} uncommitted)" if uncommitted else ""),
        skipped=tuple(sorted(loader.skipped)),
        overlays=tuple(loader.overlays),
    )


class _Loader:
    """The state of one load."""

    def __init__(
        self, tree: SourceTree, cache: Path | None, sensitive: Sensitive, key_dir: Path
    ) -> None:
        self.tree = tree
        self.sensitive = sensitive
        self.cache = ParseCache(cache, sensitive)
        self.pins = secrets.Pins(key_dir)
        self.findings: list[Finding] = []
        self.providers: list[ProviderSpec] = []
        self.skipped: set[str] = set()
        self.overlays: list[Overlay] = []
        self.own_files: set[str] = set()
        self.paths = {found.path for found in tree.files()}
        self.folders = {above for path in self.paths for above in _above(path)}

    def exists(self, path: str) -> bool:
        """The tree holds this file or folder."""
        return path in self.paths or path in self.folders

    def fleet(self, fleet_file: str | None) -> FleetSpec:
        """The Fleet file, or what stands for it where there is none."""
        path = posixpath.normpath(fleet_file or FLEET_FILE)
        if path not in self.paths:
            if fleet_file:
                raise ClusterformError(
                    "no-fleet-file",
                    f"there is no Fleet file {path}",
                    hint="--fleet is relative to the fleet's folder",
                )
            return fleetfile.implied_fleet(self.tree.root.name)
        self.own_files.add(path)
        content = self.tree.read([path])[path]
        fleet, findings = fleetfile.read_fleet(content, path, self.exists)
        self.findings += findings
        self.own_files.update(entry.providers for entry in fleet.management)
        return fleet

    def management(self, entry: ManagementSpec) -> Iterator[LoadedDocument]:
        """All documents of a management cluster: its providers' components, then its manifests."""
        taken: set[str] = set()
        for provider in self._providers(entry):
            files = self._manifests((provider.path,), taken, entry.name, provider.tag)
            taken.update(found.path for found in files)
            yield from self._documents(files, entry.name, provider.tag)
        yield from self._documents(self._manifests(entry.paths, taken, entry.name), entry.name, "")

    def _providers(self, entry: ManagementSpec) -> tuple[ProviderSpec, ...]:
        if not entry.providers or entry.providers not in self.paths:
            return ()
        content = self.tree.read([entry.providers])[entry.providers]
        found, findings = fleetfile.read_providers(
            content, entry.providers, self.exists, entry.name
        )
        self.findings += findings
        self.providers += found
        return found

    def _manifests(
        self, paths: Iterable[str], taken: set[str], management: str, provider: str = ""
    ) -> list[SourceFile]:
        """The YAML files below some paths, each once, without charts and kustomizations.

        What lies below a folder with a kustomization is the kustomization's, which is built as a
        whole by `planner.expand`.
        """
        found: dict[str, SourceFile] = {}
        for base in paths:
            files = [file for file in self.tree.files(base) if not _hidden(file.path, base)]
            charts = self._marked(files, ("Chart.yaml",))
            overlays = self._marked(files, _KUSTOMIZATIONS)
            for file in files:
                above = _above(file.path)
                if not charts.isdisjoint(above) or not overlays.isdisjoint(above):
                    continue
                if file.path.endswith(_YAML) and file.path not in taken:
                    found[file.path] = file
                elif file.path.endswith(".json") and base != ".":
                    self.skipped.add(f"{file.path}: JSON; manifests are read from .yaml and .yml")
            self.skipped.update(f"{folder or '.'}: a Helm chart" for folder in charts)
            self.overlays += [
                Overlay(management=management, folder=folder or ".", provider=provider)
                for folder in self._roots(overlays, charts)
                if all(folder != known.folder for known in self.overlays)
            ]
        return [found[path] for path in sorted(found.keys() - self.own_files)]

    def _marked(self, files: list[SourceFile], names: tuple[str, ...]) -> set[str]:
        """The folders that hold a file of one of these names."""
        return {
            file.path.rpartition("/")[0] for file in files if file.path.rpartition("/")[2] in names
        }

    def _roots(self, overlays: set[str], charts: set[str]) -> Iterator[str]:
        """The kustomizations that are built: no other one refers to them, and none a Component."""
        referred: set[str] = set()
        components: set[str] = set()
        for folder in overlays:
            body = self._kustomization(folder)
            if body.get("kind") == "Component":
                components.add(folder)
            for field in ("resources", "bases", "components"):
                listed = body.get(field)
                for entry in listed if isinstance(listed, list) else ():
                    referred.add(posixpath.normpath(posixpath.join(folder, str(entry))))
        for folder in sorted(overlays - referred - components):
            if charts.isdisjoint([folder, *_above(folder)]):
                yield folder

    def _kustomization(self, folder: str) -> JsonObject:
        """Its file; `{}` where it cannot be read, which building it will say."""
        for name in _KUSTOMIZATIONS:
            path = posixpath.join(folder, name)
            if path in self.paths:
                documents, _ = yamldoc.parse(self.tree.read([path])[path], path)
                return documents[0].body if documents else {}
        return {}

    def _documents(
        self, files: list[SourceFile], management: str, provider: str
    ) -> Iterator[LoadedDocument]:
        limits = yamldoc.COMPONENTS if provider else yamldoc.MANIFEST
        for start in range(0, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            known = {file.path: self.cache.get(f"{bool(provider):d}{file.blob}") for file in batch}
            contents = self.tree.read(path for path, found in known.items() if found is None)
            for file in batch:
                found = known[file.path]
                source: SecretSource | None = None
                if found is None:
                    content = contents.pop(file.path)
                    found = self._parse(file, content, limits)
                    source = self._source(file, content, found)
                for part in found:
                    yield _loaded(part, file, management, provider, source)

    def _parse(
        self, file: SourceFile, content: bytes, limits: Limits
    ) -> tuple[manifest.Manifest, ...]:
        documents, findings = yamldoc.parse(content, file.path, limits)
        found = []
        kinds: set[tuple[str, str]] = set()
        for document in documents:
            group = split_api_version(str(document.body.get("apiVersion", "")))[0]
            kind = str(document.body.get("kind", ""))
            kinds.add((group, kind))
            checked = manifest.check(document, file.path, self.sensitive(group, kind))
            findings += checked.findings
            if checked.manifest is not None:
                found.append(checked.manifest)
        self.findings += findings
        if file.blob and not findings and not any(part.secrets for part in found):
            key = f"{limits is yamldoc.COMPONENTS:d}{file.blob}"
            self.cache.put(key, tuple(sorted(kinds)), tuple(found))
        return tuple(found)

    def _source(
        self, file: SourceFile, content: bytes, found: tuple[manifest.Manifest, ...]
    ) -> SecretSource | None:
        if not any(part.secrets for part in found):
            return None
        if file.blob:
            return GitBlob(file.blob, file.path)
        return WorktreeFile(file.path, self.pins.pin(file.path, content))


def _loaded(
    part: manifest.Manifest,
    file: SourceFile,
    management: str,
    provider: str,
    source: SecretSource | None,
) -> LoadedDocument:
    taken: tuple[tuple[FieldPath, SecretRef], ...] = ()
    if source is not None:
        taken = tuple(
            (found.path, SecretRef(source, part.index, found.source, part.item, found.transform))
            for found in part.secrets
        )
    return LoadedDocument(
        management=management,
        version=part.version,
        kind=part.kind,
        namespace=part.namespace,
        name=part.name,
        body=part.body,
        secrets=taken,
        origin=Origin(file.path, part.line, part.index, file.blob, part.item),
        cluster=part.cluster,
        provider=provider,
        sealed=part.sealed,
    )


def _unread(tree: SourceTree, fleet: FleetSpec) -> Iterator[Finding]:
    """A warning for each link or submodule among the manifests."""
    bases = [base for entry in fleet.management for base in entry.paths]
    for found in tree.skipped:
        name = found.path.rpartition("/")[2]
        manifest_like = name.endswith(_YAML) or "." not in name
        below = any(base == "." or f"{found.path}/".startswith(f"{base}/") for base in bases)
        if below and manifest_like and not _hidden(found.path):
            yield Finding(
                severity="warning",
                code="skipped",
                summary=f"{found.why}: left out",
                path=found.path,
            )


def _above(path: str) -> list[str]:
    """The folders that hold a file, nearest first, the root (`""`) last."""
    found = []
    while path:
        path = path.rpartition("/")[0]
        found.append(path)
    return found


def _hidden(path: str, base: str = "") -> bool:
    """Inside a dot-folder, or a dot-file, below the base."""
    below = path[len(base) :] if base not in ("", ".", path) else path
    return any(part.startswith(".") for part in below.split("/"))

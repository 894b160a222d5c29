"""Kustomization files: what they name, and what of it is refused before anything is run.

Every reachable file is read here first. Nothing leaves the tree, nothing is remote, nothing runs:
a binary sees only folders that passed. Field names are those of kustomize v5.8.1,
api/types/kustomization.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers import yamldoc
from providers.yamlfinding import Finding
from state.resource import JsonObject

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""In the order in which kustomize and Flux look for them."""
MAX_KUSTOMIZATIONS = 500
MAX_FILES = 5_000
MAX_BYTES = 64 << 20

_FOLDERS = ("resources", "bases", "components", "generators", "transformers", "validators")
"""Fields whose entries are files or folders of their own."""
_PLUGINS = ("generators", "transformers", "validators")
_HELM = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
_FUNCTIONS = ("config.kubernetes.io/function", "config.k8s.io/function")
_REMOTE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|git::|gh:|git@|[^/\s]+@[^/\s]+:|github\.com[:/]|"
    r"bitbucket\.org[:/]|gitlab\.com[:/]|[^/\s]+\.[a-z]{2,}/[^\s]*(?:\?ref=|//|\.git\b))",
    re.IGNORECASE,
)


class Stop(Exception):
    """A build that cannot go on; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.summary)
        self.finding = finding


def stop(code: str, summary: str, path: str, *, detail: str = "", hint: str = "") -> Stop:
    """The error of a build about one file."""
    return Stop(
        Finding(severity="error", code=code, summary=summary, path=path, detail=detail, hint=hint)
    )


class Kustomization(msgspec.Struct, frozen=True):
    """A kustomization file, read."""

    folder: str
    """`""` is the root of the tree."""
    file: str
    body: JsonObject


class Reached(msgspec.Struct):
    """What a build depends on."""

    kustomizations: dict[str, Kustomization]
    """By folder."""
    files: set[str]
    """The kustomization files, and everything that they name."""


def joined(folder: str, relative: str) -> str | None:
    """A path from the tree's root; None where it leaves the tree or begins at the machine's."""
    if relative.startswith(("/", "~")) or "\\" in relative or "\0" in relative:
        return None
    parts = folder.split("/") if folder else []
    for part in relative.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


class Tree:
    """The files of a source, and its folders."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.folders: dict[str, list[str]] = {"": []}
        """Folder → names of what is directly in it."""
        for path in files:
            folder, _, name = path.rpartition("/")
            while True:
                names = self.folders.setdefault(folder, [])
                names.append(name)
                if len(names) > 1 or not folder:
                    break  # it is known to the folder above
                folder, _, name = folder.rpartition("/")

    def kustomization(self, folder: str) -> Kustomization | None:
        """That of a folder; None where it has none. Raises Stop."""
        prefix = f"{folder}/" if folder else ""
        found = [prefix + name for name in NAMES if prefix + name in self.files]
        if not found:
            return None
        if len(found) > 1:
            raise stop(
                "kustomize-ambiguous", f"{folder or 'the root'} has {len(found)} kustomization"
                " files", found[0], hint="keep one",
            )  # fmt: skip
        return Kustomization(folder, found[0], self.document(found[0]))

    def document(self, path: str) -> JsonObject:
        """The one document of a kustomization file. Raises Stop."""
        documents, findings = yamldoc.parse(self.files[path], path)
        for finding in findings:
            if finding.severity == "error":
                raise Stop(finding)
        if len(documents) > 1 or any(one.item >= 0 for one in documents):
            raise stop("kustomize-file", "a kustomization file holds one document", path)
        return documents[0].body if documents else {}


def reach(tree: Tree, top: Kustomization) -> Reached:
    """Everything below `top`, checked. Raises Stop for what is refused, missing or too much."""
    reached = Reached({top.folder: top}, {top.file})
    waiting: list[tuple[Kustomization, tuple[str, ...]]] = [(top, (top.folder,))]
    size = visits = 0
    while waiting:
        found, trail = waiting.pop()
        visits += 1
        _check(found)
        for path in _named(tree, found):
            if path in tree.folders and path not in tree.files:
                inner = tree.kustomization(path)
                if inner is None:
                    raise stop("kustomize-missing", f"{path} has no kustomization file", found.file)
                if path in trail:
                    raise stop(
                        "kustomize-cycle", f"{path} is a base of itself", found.file,
                        detail=" → ".join((*trail, path)),
                    )  # fmt: skip
                waiting.append((inner, (*trail, path)))
                reached.kustomizations[path] = inner
                path = inner.file
            if path not in reached.files:
                reached.files.add(path)
                size += len(tree.files[path])
        if (
            visits + len(waiting) > MAX_KUSTOMIZATIONS
            or len(reached.files) > MAX_FILES
            or size > MAX_BYTES
        ):
            raise stop(
                "kustomize-limit",
                f"it reaches more than {MAX_KUSTOMIZATIONS} kustomizations, {MAX_FILES:,} files "
                f"or {MAX_BYTES >> 20} MiB",
                top.file,
            )
    return reached


def _check(found: Kustomization) -> None:
    """Raises Stop for fields that run or fetch something."""
    for field in _HELM:
        if found.body.get(field):
            raise stop(
                "kustomize-refused", f"{field} runs helm and fetches charts", found.file,
                hint="use a HelmRelease, or commit the rendered objects",
            )  # fmt: skip


def _named(tree: Tree, found: Kustomization) -> Iterator[str]:
    """Every file and folder that a kustomization names, by its path from the root."""
    for field in _FOLDERS:
        for entry in _entries(found, field):
            if field in _PLUGINS:
                if "\n" in entry:
                    yield from _plugin_files(tree, found, entry.encode())
                    continue
                path = _existing(tree, found, entry)
                if path in tree.files:
                    yield from _plugin_files(tree, found, tree.files[path])
                yield path
            else:
                yield _existing(tree, found, entry)
    for field in ("crds", "configurations"):
        for entry in _entries(found, field):
            yield _existing(tree, found, entry)
    for field in ("patches", "patchesJson6902", "replacements"):
        for entry in _list(found, field):
            if isinstance(entry, dict) and entry.get("path"):
                yield _existing(tree, found, _text(found, f"{field}[].path", entry["path"]))
    for entry in _entries(found, "patchesStrategicMerge"):
        if "\n" not in entry and not entry.lstrip().startswith("{"):
            yield _existing(tree, found, entry)
    openapi = found.body.get("openapi")
    if isinstance(openapi, dict) and openapi.get("path"):
        yield _existing(tree, found, _text(found, "openapi.path", openapi["path"]))
    for field in ("configMapGenerator", "secretGenerator"):
        for entry in _list(found, field):
            yield from _generated(tree, found, entry)


def _generated(tree: Tree, found: Kustomization, generator: Any) -> Iterator[str]:
    """The files of one generator: `path`, or `key=path`."""
    if not isinstance(generator, dict):
        raise stop("kustomize-file", "a generator is a mapping", found.file)
    for field in ("files", "envs"):
        entries = generator.get(field) or []
        if not isinstance(entries, list):
            raise stop("kustomize-file", f"{field} of a generator is a list", found.file)
        for entry in entries:
            name = _text(found, f"{field} of a generator", entry)
            key, equals, path = name.partition("=")
            yield _existing(tree, found, path if equals and field == "files" else name or key)
    if generator.get("env"):
        yield _existing(tree, found, _text(found, "env of a generator", generator["env"]))


def _plugin_files(tree: Tree, found: Kustomization, content: bytes) -> Iterator[str]:
    """What the configuration of a builtin transformer names. Raises Stop for other plugins."""
    documents, findings = yamldoc.parse(content, found.file)
    for finding in findings:
        if finding.severity == "error":
            raise Stop(finding)
    for document in documents:
        body = document.body
        metadata = body.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        functions = isinstance(annotations, dict) and any(one in annotations for one in _FUNCTIONS)
        if functions or body.get("apiVersion") != "builtin":
            raise stop(
                "kustomize-refused", "a function or plugin that is not built into kustomize",
                found.file, hint="plugins run programs; clusterform runs none",
            )  # fmt: skip
        if body.get("kind") == "HelmChartInflationGenerator":
            raise stop("kustomize-refused", "HelmChartInflationGenerator runs helm", found.file)
        for text in _texts(body):
            path = joined(found.folder, text.partition("=")[2] or text)
            if path and path in tree.files:
                yield path


def _texts(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            if "\n" not in one:
                yield one
        elif isinstance(one, dict):
            stack += one.values()
        elif isinstance(one, list):
            stack += one


def _list(found: Kustomization, field: str) -> list[Any]:
    entries = found.body.get(field)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise stop("kustomize-file", f"{field} is a list", found.file)
    return entries


def _entries(found: Kustomization, field: str) -> list[str]:
    return [_text(found, field, entry) for entry in _list(found, field)]


def _text(found: Kustomization, field: str, entry: Any) -> str:
    if not isinstance(entry, str) or not entry:
        raise stop("kustomize-file", f"{field} takes paths", found.file)
    return entry


def _existing(tree: Tree, found: Kustomization, entry: str) -> str:
    """The path that an entry names. Raises Stop."""
    path = joined(found.folder, entry)
    if path is not None and (path in tree.files or path in tree.folders):
        return path
    # Messages quote an entry: it is a path or an address, and cut, should it be neither.
    said = entry if len(entry) <= 200 else f"{entry[:200]}…"
    if _REMOTE.match(entry):
        raise stop(
            "kustomize-remote", f"{said!r} lies on the network", found.file,
            hint="plan reads no network: commit the files, and name their folder",
        )  # fmt: skip
    if path is None:
        raise stop(
            "kustomize-outside", f"{said!r} leaves the source", found.file,
            hint="name files of the same source, relative to this file",
        )  # fmt: skip
    raise stop("kustomize-missing", f"{said!r} is no file or folder here", found.file)

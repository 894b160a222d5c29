"""A chart: its files, what it says of itself, and what its templates ask for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from providers.helm import hooks, scan
from providers.helm.dependencies import Unit, units
from providers.helm.values import merged_with, read_values
from state.errors import ClusterformError
from state.resource import JsonObject, canonical, digest

_LONGEST_NAME, _LONGEST_PATH = 255, 2_000
"""Bytes of a name, and characters of a path, that a file system takes below a temporary folder."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a chart."""

    name: str
    version: str
    where: str
    digest: str
    files: dict[str, bytes]
    reads_capabilities: bool
    """Its result depends on the versions of the cluster: it is rendered by the helm binary."""
    evaluates: bool = False
    """It evaluates texts (`tpl`), so that values may be templates too."""
    lookups: int
    tests: int = 0
    """Hooks that are tests: they are left out."""
    random: tuple[tuple[str, str], ...] = ()
    """Functions whose results differ each time, each with its file; sorted. Of files that are no
    templates, such as values.yaml, where the chart evaluates texts."""

    @property
    def deterministic(self) -> bool:
        """Equal inputs give equal objects, as far as its functions say."""
        return not self.random

    def asks_capabilities(self, values: JsonObject) -> bool:
        """`reads_capabilities`, or a value that it may evaluate does."""
        return self.reads_capabilities or (
            self.evaluates and b"Capabilities" in msgspec.json.encode(values)
        )

    @classmethod
    def read(cls, files: Mapping[str, bytes], where: str) -> Chart:
        """A chart of its files.

        Raises ClusterformError('bad-chart', 'bad-archive', 'chart-dependencies').
        """
        _check_paths(files, where)
        found = list(units(files, where))
        name, version = (found[0].metadata.get(field) for field in ("name", "version"))
        if not isinstance(name, str) or not isinstance(version, str):
            raise ClusterformError("bad-chart", f"{where}/Chart.yaml has no name and version")
        if not _is_name(name):
            raise ClusterformError("bad-chart", f"{where}/Chart.yaml: {name[:80]!r} is no name")
        parts = [p.encode() + b"\0" + files[p] for p in sorted(files)]
        asked = _Asked()
        asked.read(found)
        return cls(
            name=name,
            version=version,
            where=where,
            digest=digest(*parts),
            files=dict(files),
            reads_capabilities=asked.capabilities,
            evaluates=asked.evaluates,
            lookups=asked.lookups,
            tests=asked.tests,
            random=tuple(sorted(asked.random)),
        )

    def with_values(
        self, files: Mapping[str, bytes], paths: tuple[str, ...], missing: bool
    ) -> Chart:
        """The chart with other default values: these files, a later one over an earlier one.

        `values.yaml` is one of them only where it is listed; `missing`: a file may be. As
        source-controller v1.7 packs it (internal/helm/chart/builder.go). Raises
        ClusterformError('no-values', 'bad-values').
        """
        merged: JsonObject = {}
        for path in paths:
            name = path.removeprefix("./")
            if name not in files:
                if missing:
                    continue
                raise ClusterformError("no-values", f"valuesFiles: there is no {path}")
            try:
                text = files[name].decode()
                merged = merged_with(merged, read_values(text, path))
            except (UnicodeDecodeError, ClusterformError) as error:
                why = error.brief if isinstance(error, ClusterformError) else "it is not UTF-8"
                raise ClusterformError("bad-values", f"valuesFiles: {path}: {why}") from None
        return Chart.read({**self.files, "values.yaml": canonical(merged)}, self.where)


def _check_paths(files: Mapping[str, bytes], where: str) -> None:
    """A chart is written to a folder to be rendered: nothing of it may end up elsewhere.

    Git's trees are not checked by git until they are checked out, and a plan of a revision reads
    them unchecked: an entry may be called `..`.
    """
    for path in files:
        parts = path.split("/")
        if len(path) > _LONGEST_PATH or not all(map(_is_name, parts)):
            raise ClusterformError("bad-chart", f"{where}: {path[:80]!r} is no path of a chart")
        above = ("/".join(parts[:n]) for n in range(1, len(parts)))
        if clash := next((folder for folder in above if folder in files), ""):
            raise ClusterformError("bad-chart", f"{where}: {clash!r} is both a file and a folder")


def _is_name(text: str) -> bool:
    """A file may be called so."""
    if text in ("", ".", "..") or "/" in text or "\0" in text:
        return False
    try:
        return len(text.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:  # bytes of a file name that are no UTF-8
        return False


class _Asked:
    """What the templates of a chart and of the charts inside ask for."""

    def __init__(self) -> None:
        self.capabilities = False
        self.evaluates = False
        self.lookups = 0
        self.tests = 0
        self.random: set[tuple[str, str]] = set()

    def read(self, found: list[Unit]) -> None:
        for unit in found:
            self.capabilities |= bool(unit.metadata.get("kubeVersion"))
            for path, content in unit.files.items():
                if path.startswith("templates/"):
                    text = content.decode(errors="replace")
                    self._template(text)
                    self.tests += hooks.tests_in(text)
                    self._chance(unit, path, content)
        if self.evaluates:  # any text of any chart: a chart's values are its parent's, too
            for unit in found:
                for path, content in unit.files.items():
                    if not path.startswith(("templates/", "crds/", "charts/")):
                        self.capabilities |= b".Capabilities" in content
                        self._chance(unit, path, content)

    def _template(self, text: str) -> None:
        for word in scan.words(text):
            if scan.is_text(word):
                self.capabilities |= "Capabilities" in word
            elif word == ".Capabilities":
                self.capabilities = True
            elif word == "lookup":
                self.lookups += 1
            elif word == "tpl":
                self.evaluates = True

    def _chance(self, unit: Unit, path: str, content: bytes) -> None:
        if not path.endswith(".md"):  # they show how a chart is used
            for function in scan.by_chance(content.decode(errors="replace")):
                self.random.add((function, unit.prefix + path))

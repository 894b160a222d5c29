"""A chart: its files, what it says of itself, and what its templates ask for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from providers.helm import scan
from providers.helm.dependencies import Unit, units
from providers.helm.values import merged_with, read_values
from state.errors import ClusterformError
from state.resource import JsonObject, canonical, digest


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
    random: tuple[tuple[str, str], ...] = ()
    """Functions whose results differ each time, each with its template; sorted."""

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
        found = list(units(files, where))
        name, version = (found[0].metadata.get(field) for field in ("name", "version"))
        if not isinstance(name, str) or not isinstance(version, str):
            raise ClusterformError("bad-chart", f"{where}/Chart.yaml has no name and version")
        if name in ("", ".", "..") or "/" in name:
            raise ClusterformError("bad-chart", f"{where}/Chart.yaml: {name!r} is no name")
        parts = [p.encode() + b"\0" + files[p] for p in sorted(files)]
        asked = _Asked()
        for unit in found:
            asked.read(unit)
        return cls(
            name=name,
            version=version,
            where=where,
            digest=digest(*parts),
            files=dict(files),
            reads_capabilities=asked.capabilities,
            evaluates=asked.evaluates,
            lookups=asked.lookups,
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


class _Asked:
    """What the templates of a chart and of the charts inside ask for."""

    def __init__(self) -> None:
        self.capabilities = False
        self.evaluates = False
        self.lookups = 0
        self.random: set[tuple[str, str]] = set()

    def read(self, unit: Unit) -> None:
        evaluates = False
        if unit.metadata.get("kubeVersion"):
            self.capabilities = True
        for path, content in unit.files.items():
            if not path.startswith("templates/"):
                continue
            for word in scan.words(content.decode(errors="replace")):
                if scan.is_text(word):
                    self.capabilities |= "Capabilities" in word
                elif word == ".Capabilities":
                    self.capabilities = True
                elif word == "lookup":
                    self.lookups += 1
                elif word == "tpl":
                    evaluates = True
                elif word in scan.RANDOM:
                    self.random.add((word, unit.prefix + path))
        if evaluates:
            self.evaluates = True
            others = (c for p, c in unit.files.items() if not p.startswith(("templates/", "crds/")))
            self.capabilities |= any(b".Capabilities" in content for content in others)

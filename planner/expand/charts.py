"""Charts of sources: a folder, an archive, one of a repository; with the charts that it depends on.

A chart's folder whose `charts/` lacks what its Chart.lock names is completed in memory, as `helm
dependency build` would: each chart comes from where any other chart is looked up
(`planner.expand.sources`), or for `file://` from the same tree. A packed chart holds its own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from planner.expand.sources import Files, Sources
from providers.archive import packed_chart
from providers.flux.sources import SourceRevision
from providers.helm import ignore
from providers.helm.archive import BYTES, read_archive
from providers.helm.chart import Chart
from providers.helm.constraint import satisfies, version_key
from providers.helm.dependencies import DEEPEST, Dependency, absent
from providers.locked import of_chart
from providers.secrets import Pins
from providers.yamldoc import Finding
from state.errors import ClusterformError

_SHOWN = 3
"""Links of a chart that a warning names."""


class Charts:
    """Reads charts; each once."""

    def __init__(self, sources: Sources, pins: Pins, findings: list[Finding]) -> None:
        """`findings`: where warnings go."""
        self._sources = sources
        self._pins = pins
        self._findings = findings
        self._told: set[tuple[str, str]] = set()
        self._charts: dict[tuple[str, ...], Chart] = {}
        self._open: list[tuple[str, str]] = []
        """The folders whose dependencies are being looked for, outermost first."""

    def read(self, files: Files, path: str) -> Chart:
        """The chart of a folder, complete. Raises ClusterformError."""
        key = (files.identity(self._pins), path, files.tree_id)
        if key not in self._charts:
            if "Chart.yaml" not in files:
                raise _no_chart(files)
            self._charts[key] = chart = Chart.read(self._completed(files), files.where())
            self._tell_links(files, chart)
        return self._charts[key]

    def _tell_links(self, files: Files, chart: Chart) -> None:
        """Helm reads what a link of a chart's folder points to; here it is left out."""
        links = [found.path for found in files.skipped() if "link" in found.why]
        place = (files.tree_id, files.where())
        if not links or place in self._told:
            return
        self._told.add(place)
        more = f" and {len(links) - _SHOWN} more" if len(links) > _SHOWN else ""
        self._findings.append(
            Finding(
                severity="warning",
                code="chart-link",
                summary=f"chart {chart.name} {chart.version} is rendered without its symbolic links"
                f" {', '.join(links[:_SHOWN])}{more}: Helm would follow them",
                path=files.where(links[0]),
                hint="copy what they point to into the chart; a chart beside it is a dependency"
                " with repository: file://../NAME",
            )
        )

    def archive(self, files: Files, path: str) -> Chart:
        """A packed chart. Raises ClusterformError."""
        key = (files.identity(self._pins), path)
        if key not in self._charts:
            self._charts[key] = Chart.read(read_archive(files[path], path), files.where(path))
        return self._charts[key]

    def of_repository(self, files: Files, name: str, version: str) -> Chart:
        """A chart of a repository's folder: `NAME/`, or the newest `NAME-VERSION.tgz` that fits."""
        if f"{name}/Chart.yaml" in files:
            found = self.read(files.below(name), name)
            if not version or satisfies(found.version, version):
                return found
        archives = [
            self.archive(files, path)
            for path in files
            if path.startswith(f"{name}-") and path.endswith(".tgz") and "/" not in path
        ]
        fitting = [
            chart
            for chart in archives
            if chart.name == name and (not version or satisfies(chart.version, version))
        ]
        if not fitting:
            raise ClusterformError(
                "no-chart",
                f"{files.where()} holds no chart {name} {version}".rstrip(),
                hint=f"put it there as {name}/ or {name}-VERSION.tgz",
            )
        return max(fitting, key=lambda chart: version_key(chart.version))

    def whole(self, files: Files, url: str) -> Chart:
        """An artifact that is a chart: a folder with one, or the one archive in it."""
        if "Chart.yaml" in files:
            return self.read(files, url)
        archives = [path for path in files if path.endswith(".tgz") and "/" not in path]
        if len(archives) != 1:
            raise ClusterformError("no-chart", f"{files.where()} is neither a chart nor holds one")
        return self.archive(files, archives[0])

    def with_values(
        self, chart: Chart, files: Mapping[str, bytes], paths: tuple[str, ...], missing: bool
    ) -> Chart:
        """`valuesFiles`: paths are those of the chart, or of the whole repository that has it."""
        if not paths:
            return chart
        key = (chart.digest, *paths)
        if key not in self._charts:
            self._charts[key] = chart.with_values(files, paths, missing)
        return self._charts[key]

    # ------------------------------------------------------------------ dependencies

    def _completed(self, files: Files) -> dict[str, bytes]:
        """The files of a folder, and in `charts/` the archives that its lock names."""
        where = files.where()
        found = dict(files.prefetch())
        wanted = absent(found, where)
        if not wanted:
            return found
        place = (files.tree_id, where)
        if place in self._open or len(self._open) >= DEEPEST:
            way = " → ".join(folder for _, folder in (*self._open, place))
            raise ClusterformError("bad-chart", f"charts depend on each other: {way}")
        self._open.append(place)
        try:
            for one in wanted:
                found[f"charts/{one.name}-{one.version}.tgz"] = self._packed(files, one)
        finally:
            self._open.pop()
        if sum(map(len, found.values())) > BYTES:
            raise ClusterformError(
                "bad-chart", f"{where} holds more than {BYTES >> 20} MiB with its dependencies"
            )
        return found

    def _packed(self, files: Files, wanted: Dependency) -> bytes:
        """The archive of a chart that a lock names: the same bytes wherever it was found."""
        where, repository = files.where(), wanted.repository
        if repository.startswith("file://"):
            chart = self._beside(files, wanted)
        elif repository.lower().startswith(("https://", "http://", "oci://")):
            pin = of_chart(repository, wanted.name, wanted.version)
            found = self._sources.find(repository, SourceRevision(), pin, where)
            chart = self.of_repository(found, wanted.name, wanted.version)
        else:
            raise ClusterformError(
                "chart-dependencies",
                f"{where}: where its dependency {wanted.name} lies is not known: {repository!r} is"
                " no https://, oci:// or file:// URL",
                hint="write the repository's URL into Chart.yaml and run `helm dependency update`,"
                " or commit charts/",
            )
        if (chart.name, chart.version) != (wanted.name, wanted.version):
            raise ClusterformError(
                "chart-dependencies",
                f"{where}: its lock says {wanted.name} {wanted.version}, and {repository} has"
                f" {chart.name} {chart.version}",
                hint=f"run `helm dependency update` in {where} and commit the lock",
            )
        return packed_chart(chart.name, ignore.kept(chart.files, chart.where))

    def _beside(self, files: Files, wanted: Dependency) -> Chart:
        """A chart of the same tree, by a path relative to the folder that names it."""
        said = wanted.repository.removeprefix("file://")
        folder = posixpath.normpath(posixpath.join(files.where(), said))
        if said.startswith("/") or folder.split("/")[0] == "..":
            raise ClusterformError(
                "chart-dependencies",
                f"{files.where()}: its dependency {wanted.name} lies outside of the repository, in"
                f" {wanted.repository}",
                hint="name it by the URL of a chart repository, or commit charts/",
            )
        return self.read(Files(files.tree, folder), folder)


def _no_chart(files: Files) -> ClusterformError:
    folder = f"{files.where()}/"
    link = next((s.path for s in files.tree.skipped if folder.startswith(f"{s.path}/")), "")
    why = f": {link} is a symbolic link or a submodule, which is not followed" if link else ""
    return ClusterformError("no-chart", f"there is no Chart.yaml in {files.where()}{why}")


def charts_of(paths: Iterable[str]) -> list[str]:
    """The folders of charts; those inside of another chart are part of it, hidden ones nobody's."""
    found = sorted(
        posixpath.dirname(path)
        for path in paths
        if posixpath.basename(path) == "Chart.yaml" and not f"/{path}".count("/.")
    )
    outer: list[str] = []
    for folder in found:
        if not any(folder.startswith(f"{above}/") or not above for above in outer):
            outer.append(folder)
    return [folder or "." for folder in outer]

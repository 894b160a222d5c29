"""Kustomize builds: files of a source in, objects with the files they come from out.

    build(files, "clusters/dev")                          an overlay, by kustomize's own rules
    build(files, "clusters/dev", flux=FluxBuild(…))       what Flux makes of the folder

What cannot be built gives findings, never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from providers import yamldoc
from providers.kustomize import tool
from providers.kustomize.files import Kustomization, Reached, Stop, Tree, joined, reach, stop
from providers.kustomize.generated import ORIGINS, by_flux, written
from providers.kustomize.options import Built, BuiltObject, FluxBuild, Request
from providers.kustomize.plain import TOOL as BUILT_IN
from providers.kustomize.plain import plain
from providers.yamlfinding import MIB
from state.errors import ClusterformError
from state.resource import JsonObject, canonical

PROCESSES = 2
ORIGIN = "config.kubernetes.io/origin"
_OUTPUT = yamldoc.Limits(file_bytes=tool.OUTPUT, documents=20_000, nodes=4_000_000, scalar=4 * MIB)


def build(
    files: Mapping[str, bytes],
    path: str,
    *,
    flux: FluxBuild | None = None,
    builtin: bool = True,
) -> Built:
    """The objects of one folder.

    `files` are all regular files of the source by path from its root, `path` the folder (`""` for
    the root). Without `flux` the folder must have a kustomization file. Without `builtin` the
    binary builds what could be done here, too.
    """
    return _build(Tree(files), Request(path=path, flux=flux), builtin=builtin)


def build_many(files: Mapping[str, bytes], requests: Sequence[Request]) -> list[Built]:
    """Several builds of one source, at most two binaries at a time, in the order of `requests`."""
    tree = Tree(files)
    with ThreadPoolExecutor(PROCESSES) as pool:
        return list(pool.map(lambda one: _build(tree, one, builtin=True), requests))


def _build(tree: Tree, request: Request, *, builtin: bool) -> Built:
    folder = request.path.strip("/").removeprefix("./")
    try:
        top = written(tree, folder) if request.flux is None else by_flux(tree, folder, request.flux)
        reached = reach(tree, top)
        unrestricted = request.flux is not None
        objects = plain(tree, top, reached, unrestricted=unrestricted) if builtin else None
        title = BUILT_IN
        if objects is None:
            found = tool.find_tool()
            title = found.title
            objects = _run(tree, top, reached, found, unrestricted=unrestricted)
    except Stop as stopped:
        return Built(findings=(stopped.finding,))
    except ClusterformError as error:
        finding = stop(error.code, error.brief, folder or ".", hint=error.hint).finding
        return Built(findings=(finding,))
    existing = (path for path in reached.files if path in tree.files)
    ordered = tuple(sorted(objects, key=lambda one: one.identity))
    return Built(objects=ordered, tool=title, files=tuple(sorted(existing)))


def _run(
    tree: Tree, top: Kustomization, reached: Reached, found: tool.Tool, *, unrestricted: bool
) -> tuple[BuiltObject, ...]:
    metadata = top.body.get("buildMetadata") or []
    keep = ORIGINS in metadata
    # While kustomize builds, every object has annotations of its own in any case: asking for
    # origins changes nothing that a patch could see (tried with v5.8.1).
    body = {**top.body, "buildMetadata": metadata if keep else [*metadata, ORIGINS]}
    needed = {path: tree.files[path] for path in sorted(reached.files) if path in tree.files}
    needed[top.file] = canonical(body)
    try:
        output = tool.run(found, needed, top.folder, unrestricted=unrestricted)
    except tool.Failed as failed:
        raise stop("kustomize-failed", "kustomize cannot build it", top.file, detail=str(failed),
                   ) from None  # fmt: skip
    documents, findings = yamldoc.parse(output, top.file, _OUTPUT)
    for finding in findings:
        if finding.severity == "error":
            raise stop("kustomize-output", f"its result: {finding.summary}", top.file)
    return tuple(_object(one.body, top, keep=keep) for one in documents)


def _object(body: JsonObject, top: Kustomization, *, keep: bool) -> BuiltObject:
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(annotations, dict):
        return BuiltObject(canonical(body))
    origin = annotations.get(ORIGIN)
    if not keep and annotations.pop(ORIGIN, None) is not None and not annotations:
        del metadata["annotations"]
    return BuiltObject(canonical(body), _origin(origin, top))


def _origin(text: object, top: Kustomization) -> str:
    """The file that an origin annotation names (`path`, or `configuredIn` of a generator)."""
    documents, _ = yamldoc.parse(str(text or "").encode(), "")
    said = documents[0].body if documents else {}
    path = said.get("path") or said.get("configuredIn")
    return (joined(top.folder, path) or "") if isinstance(path, str) else ""

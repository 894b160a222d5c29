"""`clusterform test`: every release rendered and checked, and what the repository expects of them.

Cases, in the order of the report: the repository loads; each release renders, fits the schemas of
the CRDs at hand and passes the rules (docs/validation.md); each declared set of values of a chart
or release does (`planner.cases`); expectations; edits, each tried on a built-in cluster
(`planner.trial`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from planner.cases import Case, case_of, charts_of, checked, declared, text
from planner.edits import Edit as Values
from planner.expectations import Edit, Expectation, Test, matching, problem, read_test
from planner.explain import declared as resources_of
from planner.trial import Outcome, outcome, prepared
from planner.validate import Validation
from planner.workspace import Workspace
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import Resource

FOLDER = "tests"


def run(workspace: Workspace, folder: str = FOLDER) -> list[Case]:
    """All cases. Raises ClusterformError('no-tests') for a folder that is not there."""
    paths = {f.path for f in workspace.tree.files()}
    tests, findings = _tests(workspace, folder, paths)
    if findings:
        return [Case(group="tests", name=f.path, problems=(text(f),)) for f in findings]
    validation = Validation(workspace.loaded, workspace.line_of, {})
    cases = list(_releases(workspace, validation))
    sets = declared(tests, charts_of(paths), paths)
    cases += checked(workspace, validation, sets)
    cases.append(_unchecked(validation))
    if workspace.loaded.errors:
        return cases  # what does not render has no fields to expect anything of
    resources = resources_of(workspace)
    for test in tests:
        cases += [_timed(test.name, e.title, e.where, _expected(e, resources)) for e in test.expect]
        cases += [_timed(test.name, e.name, e.where, _tried(workspace, e)) for e in test.edits]
    return cases


def _unchecked(validation: Validation) -> Case:
    """How much was held against schemas, so that nothing passes in silence."""
    kinds = sorted(validation.unchecked.items(), key=lambda item: (-item[1], item[0]))
    count = sum(validation.unchecked.values())
    note = f"no schema at hand: {', '.join(f'{n} {kind}' for kind, n in kinds)}"
    return Case(
        group="schemas",
        name=f"{validation.looked_at - count} of {validation.looked_at} objects had a schema",
        notes=(note,) if kinds else (),
    )


def _tests(workspace: Workspace, folder: str, paths: set[str]) -> tuple[list[Test], list[Finding]]:
    files = [f.path for f in workspace.tree.files(folder) if f.path.endswith((".yaml", ".yml"))]
    if not files and folder != FOLDER:
        raise ClusterformError("no-tests", f"there is no test in {folder}")
    found: list[Test] = []
    findings: list[Finding] = []
    contents = workspace.tree.read(files)
    for path in files:
        if b"kind: Test" not in contents[path]:
            continue
        test, wrong = read_test(contents[path], path, paths)
        found.append(test)
        findings += wrong
    return found, findings


def _releases(workspace: Workspace, validation: Validation) -> Iterator[Case]:
    """A case for each release, with what is said of its file; one for what belongs to none."""
    started = time.perf_counter()
    left = validation.everything()
    names: dict[str, str] = {}
    for document in workspace.loaded.documents:
        if document.release is not None and document.release.kind != "profile":
            names.setdefault(document.release.text, document.origin.via[-1].at)
    for found in left:
        for kind in ("HelmRelease", "Kustomization", "WorkloadCluster"):
            if found.severity == "error" and found.summary.startswith(f"{kind} "):
                names.setdefault(found.summary.partition(":")[0], found.where)
    seconds = time.perf_counter() - started
    files = Counter(at.partition(":")[0] for at in names.values())
    for name, at in sorted(names.items()):
        path = at.partition(":")[0]
        mine = [f for f in left if f.where == at or (f.path == path and files[path] == 1)]
        left = [f for f in left if f not in mine]
        case = case_of(mine, group="releases", name=f"{name} renders and is valid", where=at)
        yield msgspec.structs.replace(case, seconds=seconds / len(names))
    case = case_of(left, group="repository", name="everything else is valid")
    yield msgspec.structs.replace(case, seconds=0.0 if names else seconds)


def _timed(group: str, name: str, where: str, check: Callable[[], Iterator[str]]) -> Case:
    started = time.perf_counter()
    try:
        problems = tuple(check())
    except ClusterformError as error:
        problems = (error.brief,)
    seconds = time.perf_counter() - started
    return Case(group=group, name=name, problems=problems, where=where, seconds=seconds)


def _expected(
    expectation: Expectation, resources: tuple[Resource, ...]
) -> Callable[[], Iterator[str]]:
    def check() -> Iterator[str]:
        found = matching(expectation, resources)
        absent = expectation.check == "exists" and not expectation.value and not expectation.path
        if not found and not absent:
            yield "no object matches"
        for resource in found:
            wrong = problem(expectation, resource.decoded())
            if wrong:
                yield f"{resource.id} ({resource.origin}): {wrong}"

    return check


def _tried(workspace: Workspace, edit: Edit) -> Callable[[], Iterator[str]]:
    def check() -> Iterator[str]:
        (made,) = workspace.variants([Values(release=edit.release, values=edit.values)])
        for wrong in made.findings:
            if wrong.severity == "error":
                yield text(wrong)
                return
        yield from _judged(
            edit, outcome(workspace, prepared(workspace.loaded, edit.release, made.documents))
        )

    return check


def _judged(edit: Edit, found: Outcome) -> Iterator[str]:
    for name, wanted in edit.machines:
        if found.machines[name] != wanted:
            because = "; ".join(found.because[name])
            why = f" ({because})" if because else ""
            yield f"{name}: {found.machines[name]} machines, expected {wanted}{why}"
    yield from found.refused
    if found.machines["destroyed"] and not edit.destroys:
        count = found.machines["destroyed"]
        yield f"destroys {count} machines; destroys: true would allow it"

"""`clusterform test`: every release rendered and checked, and what the repository expects of them.

Cases, in the order of the report: the repository loads; each release renders, fits the schemas of
the CRDs at hand and passes the rules (docs/validation.md); each declared set of values of a chart
or release does (`planner.cases`); expectations; edits, each tried on a built-in cluster
(`planner.trial`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import msgspec

from planner.cases import Case, case_of, checked, declared, linted, text
from planner.expand.charts import charts_of
from planner.expand.edits import Edit as Values
from planner.expand.edits import Variant
from planner.expectations import Edit, Expectation, Test, matching, problem, read_test
from planner.explain import declared as resources_of
from planner.lockedcrds import noted
from planner.trial import Outcome, Tried, prepared
from planner.tries import Result, tried
from planner.validate import Validation
from planner.workspace import Workspace
from providers.yamldoc import Finding
from state.errors import ClusterformError
from state.resource import Resource

FOLDER = "tests"


def run(workspace: Workspace, folder: str = FOLDER, jobs: int = 1) -> list[Case]:
    """All cases; edits are tried in up to `jobs` processes.

    Raises ClusterformError('no-tests') for a folder that is not there.
    """
    paths = {f.path for f in workspace.tree.files()}
    tests, findings = _tests(workspace, folder, paths)
    if findings:
        return [Case(group="tests", name=f.path, problems=(text(f),)) for f in findings]
    validation = Validation(workspace.loaded, workspace.line_of, noted(workspace.tree))
    cases = list(_releases(workspace, validation))
    # Without a management cluster nothing is declared, and the Fleet file is what is wrong.
    managed = bool(workspace.declared.fleet.management)
    charts = charts_of(paths) if managed else []
    sets = declared(tests, charts, paths) if managed else []
    found = list(checked(workspace, validation, sets))
    cases += linted(workspace, charts)
    cases += [case for case, each in zip(found, sets, strict=True) if not each.test]
    cases.append(_unchecked(validation))
    # What does not render has no fields to expect anything of.
    sound = not workspace.loaded.errors
    outcomes = iter(_edits(workspace, tests, jobs) if sound else ())
    resources = resources_of(workspace) if sound else ()
    for test in tests:
        cases += [case for case, each in zip(found, sets, strict=True) if each.test is test]
        if sound:
            cases += [_expected(test.name, each, resources) for each in test.expect]
            cases += [next(outcomes) for _ in test.edits]
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


def _expected(group: str, wanted: Expectation, resources: tuple[Resource, ...]) -> Case:
    started = time.perf_counter()
    problems = tuple(_unlike(wanted, resources))
    seconds = time.perf_counter() - started
    return Case(
        group=group, name=wanted.title, problems=problems, where=wanted.where, seconds=seconds
    )


def _unlike(expectation: Expectation, resources: tuple[Resource, ...]) -> Iterator[str]:
    found = matching(expectation, resources)
    absent = expectation.check == "exists" and not expectation.value and not expectation.path
    if not found and not absent:
        yield "no object matches"
    for resource in found:
        wrong = problem(expectation, resource.decoded())
        if wrong:
            yield f"{resource.id} ({resource.origin}): {wrong}"


def _edits(workspace: Workspace, tests: list[Test], jobs: int) -> Iterator[Case]:
    """A case for each edit, in their order."""
    edits = [(test.name, edit) for test in tests for edit in test.edits]
    wanted = [Values(release=e.release, values=e.values) for _, e in edits]
    variants = workspace.variants(wanted) if edits else []
    ready = [
        _ready(workspace, edit, variant) for (_, edit), variant in zip(edits, variants, strict=True)
    ]
    results = iter(tried(workspace, [each for each in ready if isinstance(each, Tried)], jobs))
    for (group, edit), each in zip(edits, ready, strict=True):
        result = next(results) if isinstance(each, Tried) else Result(problem=each)
        problems = (result.problem,) if result.problem else tuple(_judged(edit, result.outcome))
        yield Case(
            group=group,
            name=edit.name,
            problems=problems,
            where=edit.where,
            seconds=result.seconds,
        )


def _ready(workspace: Workspace, edit: Edit, variant: Variant) -> Tried | str:
    """What to try, or why it cannot be tried."""
    # Where nothing is rendered, a warning is the reason: values that only a cluster knows.
    wrong = [f for f in variant.findings if f.severity == "error" or not variant.documents]
    if wrong:
        return text(wrong[0])
    try:
        return prepared(workspace.loaded, edit.release, variant.documents)
    except ClusterformError as error:
        return error.brief


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

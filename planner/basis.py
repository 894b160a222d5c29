"""What a plan was made from, and what was found while reading it: the frame around the changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from planner.changes import Basis, Change, ClusterIdentity, Finding, Refusal
from planner.load import Loaded
from planner.refresh import PARALLEL_CLUSTERS
from planner.units import is_workload
from providers.kube.client import KubeClient
from state.resource import Resource, ResourceId

ClientOf = Callable[[str], KubeClient | None]


def basis_of(
    loaded: Loaded,
    client_of: ClientOf,
    changes: tuple[Change, ...],
    selectors: tuple[str, ...],
    tool: str,
) -> Basis:
    """Commit, inputs and the identity of every cluster that is read or written."""
    identities = []
    for spec in sorted(loaded.fleet.management, key=lambda m: m.name):
        client = client_of(spec.name)
        if client is not None:
            version = client.server_version()
            identities.append(ClusterIdentity(cluster=spec.name, uid=client.uid(), version=version))
    workload = sorted({c.id.cluster for c in changes if is_workload(c.id.cluster)})
    clients = [client for name in workload if (client := client_of(name)) is not None]
    with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
        for client, uid in zip(clients, pool.map(KubeClient.uid, clients), strict=True):
            identities.append(ClusterIdentity(cluster=client.cluster, uid=uid))
    return Basis(
        fleet=loaded.fleet.name,
        commit=loaded.commit,
        uncommitted=loaded.uncommitted,
        label=loaded.label,
        clusters=tuple(identities),
        tool=tool,
        partial=selectors,
        lock=loaded.lock,
        sources=loaded.sources,
        renderers=loaded.renderers,
        charts=loaded.charts,
    )


def loading_findings(loaded: Loaded) -> tuple[Finding, ...]:
    """What was noticed while the repository was read."""
    found = [
        Finding(
            kind=f.severity,
            summary=f.summary,
            where=f"{f.path}:{f.line}" if f.line else f.path,
            hint=f.hint,
        )
        for f in loaded.findings
    ]
    if not loaded.documents:
        where = ", ".join(path for m in loaded.fleet.management for path in m.paths)
        found.append(
            Finding(
                kind="warning",
                summary=f"no manifests were found in {where}",
                hint="work in the folder of a clusters repo, or name it with -C",
            )
        )
    found += [Finding(kind="skipped", summary=f"left out: {text}") for text in loaded.skipped]
    return tuple(found)


def suspended_findings(
    suspended: Mapping[ResourceId, str], resources: Iterable[Resource]
) -> tuple[Finding, ...]:
    """One for every suspended release that would change something."""
    counts: dict[tuple[str, str], int] = {}
    places = {r.id: str(r.origin) for r in resources if r.id in suspended}
    of_release = {suspended[id_]: where for id_, where in places.items()}
    for id_, reason in suspended.items():
        where = places.get(id_) or of_release.get(reason, "")
        counts[reason, where] = counts.get((reason, where), 0) + 1
    return tuple(
        Finding(
            kind="suspended",
            summary=f"{reason}: no effect until resumed, "
            f"{count} change{'s' if count > 1 else ''} held back",
            where=where,
        )
        for (reason, where), count in sorted(counts.items())
    )


def empty_input(
    physical: Iterable[Resource], changes: Iterable[Change], mode: str
) -> tuple[Refusal, ...]:
    """Nothing declared is more likely a wrong folder than a wish to delete everything."""
    if mode == "destroy":
        return ()
    declared = {r.id.cluster.partition("/")[0] for r in physical}
    emptied = {c.id.cluster.partition("/")[0] for c in changes if c.deletes} - declared
    return tuple(
        Refusal(
            code="empty-input",
            summary=f"nothing is declared for {name}, and an empty input deletes nothing",
            units=(name,),
            override="check the folder and the paths; destroy --target removes on purpose",
        )
        for name in sorted(emptied)
    )


def incomplete(findings: Iterable[Finding]) -> dict[str, tuple[str, ...]]:
    """Unit → why its digest cannot be approved."""
    found: dict[str, list[str]] = {}
    for finding in findings:
        if finding.kind in ("unreadable", "blocked", "refused"):
            found.setdefault(finding.unit, []).append(finding.summary)
    return {unit: tuple(sorted(reasons)) for unit, reasons in sorted(found.items())}

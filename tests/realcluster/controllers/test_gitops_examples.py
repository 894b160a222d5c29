"""examples/flux-v1 and flux-v2 on the real controllers, with machines in memory: a pull request's
life, from the first cluster to its deletion."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.changes import Plan
from tests.realcluster import capi
from tests.realcluster.lab import RealLab

EXAMPLES = Path(__file__).parents[3] / "examples"
_MACHINES = "/apis/cluster.x-k8s.io/v1beta2/namespaces/{}/machines"


@pytest.fixture
def make(
    tmp_path: Path, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], RealLab]:
    plane = capi.found(capi.MANAGED_FOLDER)
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))

    def made(example: str) -> RealLab:
        """The example under a name of its own, without what is not Cluster API's dev provider."""
        name = unique(example.replace("-", ""))
        lab = RealLab(tmp_path, plane, fleet=name)
        text = (EXAMPLES / example / "clusterform.yaml").read_text()
        shutil.copytree(EXAMPLES / example, tmp_path, dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "management")
        text = text.replace("sandbox: {}", "context: real").replace("[management, ", "[")
        lab.write("clusterform.yaml", text.replace(f"name: {example}", f"name: {name}"))
        for path in [*tmp_path.glob("clusters/**/*.yaml"), *tmp_path.glob("fleet/**/*.yaml")]:
            path.write_text(path.read_text().replace("shop", name))
        if (tmp_path / "fleet" / "shop").is_dir():
            (tmp_path / "fleet" / "shop").rename(tmp_path / "fleet" / name)
        return lab

    return made


def said(plan: Plan) -> list[str]:
    return [f.summary for f in plan.findings if f.kind not in ("warning", "skipped")]


def machines(lab: RealLab) -> set[str]:
    return {m["metadata"]["uid"] for m in lab.list(_MACHINES.format(lab.fleet))}


def replaced(plan: Plan) -> int:
    return sum(c.impact.replaced for c in plan.changes)


@pytest.mark.timeout(600)
def test_releases_of_the_helm_operator_live_on_the_real_controllers(
    make: Callable[[str], RealLab],
) -> None:
    lab = make("flux-v1")
    for environment in ("dev", "staging", "production"):
        shutil.rmtree(lab.root / "clusters" / environment)
    lab.write(
        "clusters/namespace.yaml",
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {lab.fleet}}}\n",
    )
    _life(lab, "clusters/local/shop-local.yaml", f"{lab.fleet}/{lab.fleet}-local")


@pytest.mark.timeout(600)
def test_kustomizations_and_releases_of_flux_live_on_the_real_controllers(
    make: Callable[[str], RealLab],
) -> None:
    lab = make("flux-v2")
    sources = (lab.root / "clusters/mgmt/shop.yaml").read_text().partition("---")[0]
    # Without the profiles: the API of a cluster in memory serves too few kinds for add-ons.
    lab.write("clusters/mgmt/shop.yaml", sources)
    path = f"fleet/{lab.fleet}/prod/kustomization.yaml"
    shutil.rmtree(lab.root / "fleet" / lab.fleet / "dev")
    lab.edit(f"fleet/{lab.fleet}/kustomization.yaml", ("  - dev\n", ""))
    lab.edit(path, ("count: 3, maxSurge: 1", "count: 2"))
    text = (lab.root / "clusters/mgmt/shop.yaml").read_text()
    lab.write("clusters/mgmt/shop.yaml", text)
    _life(lab, path, f"{lab.fleet}/{lab.fleet}-prod", version="clusters/mgmt/shop.yaml")


def _life(lab: RealLab, release: str, cluster: str, version: str = "") -> None:
    """Created, scaled, upgraded, deleted: each plan says how many machines, and so it is."""
    lab.commit()
    plan = lab.plan()
    assert said(plan) == []
    lab.apply(plan)
    assert lab.plan().changes == ()
    before = machines(lab)
    assert len(before) == 5

    lab.edit(release, ("count: 2", "count: 3"))
    scaled = lab.plan()
    assert (replaced(scaled), sum(c.impact.added for c in scaled.changes)) == (0, 1)
    lab.apply(scaled)
    assert before < machines(lab)
    assert len(machines(lab)) == 6

    before = machines(lab)
    lab.edit(version or release, ("v1.35.2", "v1.35.3"))
    upgraded = lab.plan()
    assert replaced(upgraded) == 6
    lab.apply(upgraded)
    assert before.isdisjoint(machines(lab))
    assert lab.plan().changes == ()

    if version:
        lab.edit(f"fleet/{lab.fleet}/kustomization.yaml", ("  - prod\n", ""))
    else:
        lab.remove(release)
    assert any("is not in Git any more" in text for text in said(lab.plan()))
    lab.apply(lab.plan(allow_destroy=(cluster,)))
    assert machines(lab) == set()
    assert lab.plan().changes == ()

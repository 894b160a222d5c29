"""docs/pull-requests-*.md: the plans of four pull requests in each example, as commented."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner.views.markdown import plan_markdown
from tests.support.lab import Lab

ROOT = Path(__file__).parents[2]
HEAD = """\
# Pull requests in examples/{example}

Four pull requests as `clusterform plan --format markdown` comments on them, each applied before the
next. Made by `make golden` on the built-in management cluster.
"""
LOCAL = "clusters/local/shop-local.yaml"
NEW_RELEASE = """\
apiVersion: helm.fluxcd.io/v1
kind: HelmRelease
metadata:
  name: shop-next
  namespace: shop
spec:
  releaseName: shop-next
  chart:
    git: ssh://git@git.example.org/acme/charts
    ref: main
    path: dev-cluster
  values:
    kubernetesVersion: v1.35.2
    controlPlane: {replicas: 1}
    nodePools:
      md0: {type: 1s, count: 2}
"""
NEXT = "clusters/local/shop-next.yaml"
NEW_CLUSTER = """\
apiVersion: clusterform.dev/v1
kind: WorkloadCluster
metadata: {name: shop-next, namespace: team-a}
spec:
  blueprint: dev
  profiles: [base]
  values:
    kubernetesVersion: v1.35.2
    controlPlane: {replicas: 1}
    nodePools:
      md0: {type: 1s, count: 2}
"""


def _overlay(lab: Lab) -> None:
    text = (lab.root / "fleet/shop/dev/kustomization.yaml").read_text()
    lab.write("fleet/shop/next/kustomization.yaml", text.replace("shop-dev", "shop-next"))
    lab.edit("fleet/shop/kustomization.yaml", ("  - prod\n", "  - prod\n  - next\n"))


Act = tuple[str, Callable[[Lab], None], dict[str, Any]]
STORIES: dict[str, tuple[Act, ...]] = {
    "flux-v1": (
        ("A cluster more", lambda lab: lab.write(NEXT, NEW_RELEASE), {}),
        ("Two workers more", lambda lab: lab.edit(NEXT, ("count: 2", "count: 4")), {}),
        ("Kubernetes v1.35.3", lambda lab: lab.edit(NEXT, ("v1.35.2", "v1.35.3")), {}),
        ("The cluster goes", lambda lab: lab.remove(NEXT), {"allow_destroy": ("shop/shop-next",)}),
    ),
    "flux-v2": (
        ("A cluster more", _overlay, {}),
        (
            "Two workers more",
            lambda lab: lab.edit("fleet/shop/next/kustomization.yaml", ("count: 2", "count: 4")),
            {},
        ),
        (
            "Kubernetes v1.35.3, everywhere",
            lambda lab: lab.edit("clusters/mgmt/shop.yaml", ("v1.35.2", "v1.35.3")),
            {},
        ),
        (
            "The cluster goes",
            lambda lab: lab.edit("fleet/shop/kustomization.yaml", ("  - next\n", "")),
            {"allow_destroy": ("shop/shop-next",)},
        ),
    ),
    "blueprints": (
        ("A cluster more", lambda lab: lab.write("clusters/next.yaml", NEW_CLUSTER), {}),
        (
            "Two workers more",
            lambda lab: lab.edit("clusters/next.yaml", ("count: 2", "count: 4")),
            {},
        ),
        (
            "Kubernetes v1.35.3",
            lambda lab: lab.edit("clusters/next.yaml", ("v1.35.2", "v1.35.3")),
            {},
        ),
        (
            "The cluster goes",
            lambda lab: lab.remove("clusters/next.yaml"),
            {"allow_destroy": ("team-a/shop-next",)},
        ),
    ),
}


@pytest.mark.parametrize("example", STORIES)
def test_the_plans_of_pull_requests_are_what_the_docs_show(example: str, tmp_path: Path) -> None:
    shutil.copytree(
        ROOT / "examples" / example,
        tmp_path,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns(".clusterform"),
    )
    lab = Lab(tmp_path, fleet=(tmp_path / "clusterform.yaml").read_text())
    lab.commit("start")
    lab.converge()
    parts = [HEAD.format(example=example)]
    for title, act, options in STORIES[example]:
        act(lab)
        lab.commit(title)
        plan = lab.plan(**options)
        parts.append(f"## {title}\n\n{plan_markdown(plan)}")
        lab.apply(plan)
        assert lab.plan().changes == ()
    text = "\n".join(parts)
    path = ROOT / "docs" / f"pull-requests-{example}.md"
    if os.environ.get("GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, "make golden, read the diff"

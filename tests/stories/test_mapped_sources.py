"""Sources that only a folder can stand for: artifacts that are made in the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from state.errors import ClusterformError
from tests.support.lab import FLEET, Lab

KUSTOMIZATION = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: ExternalArtifact
metadata: {name: rendered, namespace: flux-system}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: rendered, namespace: flux-system}
spec: {path: ./, sourceRef: {kind: ExternalArtifact, name: rendered}}
"""


def test_an_external_artifact_is_mapped_by_its_name(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.write("clusters/flux.yaml", KUSTOMIZATION)
    lab.write("out/made.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: made}\n")
    lab.commit()
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert "ExternalArtifact flux-system/rendered has no URL" in caught.value.brief
    assert '{"ExternalArtifact/flux-system/rendered": FOLDER}' in caught.value.hint

    sources = '  sources: {"ExternalArtifact/flux-system/rendered": out}\n'
    lab.write("clusterform.yaml", FLEET + sources)
    assert "made" in {c.id.name for c in lab.plan().changes}

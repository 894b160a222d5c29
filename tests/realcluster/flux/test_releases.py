"""What helm-controller applies is what we render: every field of it, and nothing more.

The judge is the server, as in test_kustomizations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from providers.helm.chart import Chart
from providers.helm.pool import Renderer, Request
from providers.helm.release import Release, ValuesFrom, parse
from providers.helm.values import merge
from providers.kustomize.options import BuiltObject
from providers.kustomize.postrender import post_render
from state.resource import canonical
from tests.realcluster.flux import controllers
from tests.realcluster.flux.controllers import Body, Flux, packed
from tests.realcluster.flux.releases import CASES, CHART, NS, Case

MANAGER = "helm-controller"
LABELS = "helm.toolkit.fluxcd.io"
_NAMES = list(CASES)


@pytest.fixture(scope="module")
def flux() -> Iterator[Flux]:
    with controllers.running() as found:
        yield found


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    found = Renderer()
    yield found
    found.close()


@pytest.fixture(scope="module")
def made(flux: Flux, full: bool) -> dict[str, Body]:
    """All cases at once, so that they are waited for together."""
    return {name: _make(flux, name, case) for name, case in CASES.items() if full or case.smoke}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_flux_applies_what_we_render(
    name: str, flux: Flux, renderer: Renderer, made: dict[str, Body], full: bool
) -> None:
    case = CASES[name]
    if not (full or case.smoke):
        pytest.skip("FULL=1")
    live = flux.settled(made[name])
    ready = next(one for one in live["status"]["conditions"] if one["type"] == "Ready")
    assert ready["status"] == "True", ready["message"]
    release = parse(made[name])
    ours = [_in_namespace(body, release) for body in _ours(release, case, renderer)]
    assert sorted(map(controllers.entry, ours)) == sorted(
        one["id"] for one in live["status"]["inventory"]["entries"]
    )
    for body in ours:
        if body["kind"] == "CustomResourceDefinition":
            continue  # of `crds/`: Helm sends it as it is
        controllers.assert_owned(flux, _as_helm_sends(body, release), MANAGER)


def _make(flux: Flux, name: str, case: Case) -> Body:
    space = f"release-{_NAMES.index(name)}"
    flux.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    controllers.make_data(flux, space, case.config_maps, case.secrets)
    flux.artifact(space, "chart", packed(_files(case), "demo"))
    spec = {
        "interval": "1h",
        "chartRef": {"kind": "ExternalArtifact", "name": "chart"},
        **case.spec,
        # Nothing runs here that would make a Deployment ready.
        "install": {"disableWait": True, **case.spec.get("install", {})},
    }
    body: Body = json.loads(
        json.dumps(
            {
                "apiVersion": "helm.toolkit.fluxcd.io/v2",
                "kind": "HelmRelease",
                "metadata": {"namespace": space, "name": case.name},
                "spec": spec,
            }
        ).replace(NS, space)
    )
    flux.make(body)
    return body


def _files(case: Case) -> dict[str, bytes]:
    return {path: text.encode() for path, text in {"Chart.yaml": CHART, **case.files}.items()}


def _ours(release: Release, case: Case, renderer: Renderer) -> list[Body]:
    def read(entry: ValuesFrom) -> str | None:
        known = {"ConfigMap": case.config_maps, "Secret": case.secrets}[entry.kind]
        return known.get(entry.name, {}).get(entry.key)

    chart = Chart.read(_files(case), "demo")
    values = merge(release, read)
    request = Request(
        chart=chart,
        name=release.release_name,
        namespace=release.target_namespace,
        values=values,
        by_kustomize=True,
    )
    (result,) = renderer.render([request])
    assert result.findings == ()
    built = post_render(
        [BuiltObject(canonical(one.body), one.template) for one in result.objects if not one.crd],
        release.post_renderers,
        labels=release.common_labels,
        annotations=release.common_annotations,
    )
    assert built.findings == ()
    bodies = [one.decoded() for one in built.objects]
    definitions = [one.body for one in result.objects if one.crd]
    return [*definitions, *(body for body in bodies if not _is_hook(body))]


def _is_hook(body: Body) -> bool:
    return "helm.sh/hook" in (body["metadata"].get("annotations") or {})


def _in_namespace(body: Body, release: Release) -> Body:
    if body["kind"] == "CustomResourceDefinition":
        return body
    return {**body, "metadata": {"namespace": release.target_namespace, **body["metadata"]}}


def _as_helm_sends(body: Body, release: Release) -> Body:
    """With the labels of Flux, and what Helm marks its objects with."""
    metadata: dict[str, Any] = dict(body["metadata"])
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        f"{LABELS}/name": release.name,
        f"{LABELS}/namespace": release.namespace,
        "app.kubernetes.io/managed-by": "Helm",
    }
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        "meta.helm.sh/release-name": release.release_name,
        "meta.helm.sh/release-namespace": release.target_namespace,
    }
    return {**body, "metadata": metadata}

"""What kustomize-controller applies is what we build: every field of it, and nothing more.

The judge is the server: our body, sent as a dry-run by Flux's own manager with the labels that it
adds, changes nothing. A field too many, too few or of another value would.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from providers.flux import finish, kustomization, substitute
from providers.kustomize.build import build
from state.errors import ClusterformError
from tests.realcluster.flux import controllers
from tests.realcluster.flux.controllers import Body, Flux, packed
from tests.realcluster.flux.kustomizations import CASES, NS, Case

MANAGER = "kustomize-controller"
LABELS = "kustomize.toolkit.fluxcd.io"
_NAMES = list(CASES)


@pytest.fixture(scope="module")
def flux() -> Iterator[Flux]:
    with controllers.running() as found:
        yield found


@pytest.fixture(scope="module")
def made(flux: Flux, full: bool) -> dict[str, Body]:
    """All cases at once, so that they are waited for together."""
    found = {}
    for name, case in CASES.items():
        if full or case.smoke:
            found[name] = _make(flux, name, case)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_flux_applies_what_we_build(
    name: str, flux: Flux, made: dict[str, Body], full: bool
) -> None:
    case = CASES[name]
    if not (full or case.smoke):
        pytest.skip("FULL=1")
    live = flux.settled(made[name])
    ready = next(one for one in live["status"]["conditions"] if one["type"] == "Ready")
    if case.fails:
        assert (ready["status"], ready["reason"]) == ("False", case.fails), ready["message"]
        with pytest.raises(ClusterformError):
            _ours(made[name], case)
        return
    assert ready["status"] == "True", ready["message"]
    ours = _ours(made[name], case)
    assert sorted(map(controllers.entry, ours)) == sorted(
        one["id"] for one in live["status"]["inventory"]["entries"]
    )
    for body in ours:
        controllers.assert_owned(flux, _as_flux_sends(body, made[name]), MANAGER)


def _space(name: str) -> str:
    return f"case-{_NAMES.index(name)}"


def _make(flux: Flux, name: str, case: Case) -> Body:
    space = _space(name)
    flux.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    controllers.make_data(flux, space, case.config_maps, case.secrets)
    flux.artifact(space, "source", packed(_files(case, space)))
    body: Body = json.loads(
        json.dumps(
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"namespace": space, "name": "it"},
                "spec": {
                    "interval": "1h",
                    "prune": True,
                    "path": case.path,
                    "sourceRef": {"kind": "ExternalArtifact", "name": "source"},
                    **case.spec,
                },
            }
        ).replace(NS, space)
    )
    flux.make(body)
    return body


def _files(case: Case, space: str) -> dict[str, bytes]:
    return {path: text.replace(NS, space).encode() for path, text in case.files.items()}


def _ours(body: Body, case: Case) -> list[Body]:
    """What we would apply. Raises ClusterformError."""
    spec = kustomization.read(body)
    files = _files(case, spec.namespace)
    built = build(files, spec.path, flux=spec.build_options())
    for finding in built.findings:
        raise ClusterformError(finding.code, finding.summary, detail=finding.detail)
    values: dict[str, str] = {}
    if spec.post_build is not None:
        known = {**case.config_maps, **case.secrets}
        sources = [known.get(one.name, {}) for one in spec.post_build.substitute_from]
        values = substitute.variables(*sources, spec.post_build.substitute)
    done = (finish.finished(spec, one.decoded(), values) for one in built.objects)
    return [found for found in done if found is not None]


def _as_flux_sends(body: Body, owner: Body) -> Body:
    """With the owner's labels, and a Secret's texts encoded."""
    metadata = dict(body["metadata"])
    metadata["labels"] = {
        **(metadata.get("labels") or {}),
        f"{LABELS}/name": owner["metadata"]["name"],
        f"{LABELS}/namespace": owner["metadata"]["namespace"],
    }
    sent: dict[str, Any] = {**body, "metadata": metadata}
    if body["kind"] == "Secret" and "stringData" in body:
        texts = sent.pop("stringData")
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        sent["data"] = {**sent.get("data", {}), **encoded}
    return _normalized(json.loads(json.dumps(sent)))


def _normalized(body: Body) -> Body:
    """Flux passes native kinds through Go's types, which leaves traces (pkg/ssa, normalize)."""
    if body["kind"] == "Service":
        for port in body["spec"]["ports"]:
            port.setdefault("protocol", "TCP")
    if body["kind"] == "Namespace":
        body.setdefault("spec", {})
    if body["kind"] == "Deployment":
        body["spec"].setdefault("strategy", {})
        for container in body["spec"]["template"]["spec"]["containers"]:
            container.setdefault("resources", {})
    return body

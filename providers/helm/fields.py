"""Fields of HelmReleases that a plan has nothing to do with, or treats otherwise than a controller.

Nothing is dropped in silence: a field that is not in these tables gives a warning with its name.
Sources: helm-controller/api v1.6 (v2, v2beta2, v2beta1) and helm-operator v1.4
(pkg/apis/helm.fluxcd.io/v1/types_helmrelease.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from state.resource import JsonObject

_READ_FLUX = {
    "": "chart chartRef kubeConfig suspend releaseName targetNamespace storageNamespace dependsOn "
    "install upgrade values valuesFrom postRenderers postRenderStrategy commonMetadata",
    "chart": "spec",
    "chart.spec": "chart version sourceRef reconcileStrategy valuesFile valuesFiles "
    "ignoreMissingValuesFiles",
    "chartRef": "kind name namespace apiVersion",
    "install": "crds skipCRDs disableHooks",
    "upgrade": "crds disableHooks",
    "kubeConfig": "secretRef configMapRef",
    "commonMetadata": "labels annotations",
}
_PACE_FLUX = {
    "": "interval timeout maxHistory persistentClient test rollback uninstall waitStrategy "
    "driftDetection serviceAccountName healthCheckExprs",
    "chart": "metadata",
    "chart.spec": "interval verify",
    "install": "timeout retries remediation strategy disableTakeOwnership disableWait "
    "disableWaitForJobs disableOpenAPIValidation disableSchemaValidation replace createNamespace "
    "serverSideApply",
    "upgrade": "timeout retries remediation strategy disableTakeOwnership disableWait "
    "disableWaitForJobs disableOpenAPIValidation disableSchemaValidation force preserveValues "
    "cleanupOnFail serverSideApply chartNameChangeStrategy",
}
"""How and when a controller acts: no part of what is rendered."""
_READ_OPERATOR = {
    "": "chart values valuesFrom valueFileSecrets releaseName targetNamespace helmVersion skipCRDs",
    "chart": "git ref path repository name version secretRef skipDepUpdate chartPullSecret",
}
_PACE_OPERATOR = {
    "": "wait timeout maxHistory resetValues forceUpgrade disableOpenAPIValidation rollback test",
}
_NOTES: dict[str, str] = {
    "serviceAccountName": "Flux acts as this account, clusterform with your own rights",
    "healthCheckExprs": "not evaluated: clusterform waits by its own rules of readiness",
    "driftDetection.ignore": "Flux leaves these fields alone, a plan compares them",
    "dependsOn.readyExpr": "not evaluated: clusterform waits until all objects are ready",
    "install.createNamespace": "the namespace is not created: declare it",
    "install.disableSchemaValidation": "values.schema.json is checked nevertheless",
    "upgrade.disableSchemaValidation": "values.schema.json is checked nevertheless",
    "upgrade.preserveValues": "values of the former release are not known",
    "upgrade.force": "Helm may delete and create objects again, clusterform changes them in place",
    "chart.spec.verify": "the signature is not checked: a plan reads local files",
    "forceUpgrade": "Helm may delete and create objects again, clusterform changes them in place",
    "valueFileSecrets": "deprecated: use valuesFrom",
    "chart.chartPullSecret": "the Helm Operator never implemented it",
}
"""What a reader should know of a field that is set (to something true)."""


def notes(body: JsonObject, *, flux: bool) -> Iterator[str]:
    """`spec.upgrade.force: Helm may delete …`, for every field that a plan treats otherwise."""
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return
    read, pace = (_READ_FLUX, _PACE_FLUX) if flux else (_READ_OPERATOR, _PACE_OPERATOR)
    for part in sorted({*read, *pace}):
        known = {*read.get(part, "").split(), *pace.get(part, "").split()}
        found = _at(spec, part)
        if isinstance(found, dict):
            for field in sorted(found.keys() - known):
                place = f"spec.{part}.{field}" if part else f"spec.{field}"
                yield f"{place}: no known field of a HelmRelease: it has no effect on the plan"
    for part, why in _NOTES.items():
        if _at(spec, part):
            yield f"spec.{part}: {why}"
    if not flux and spec.get("resetValues") is False:
        yield "spec.resetValues: values of the former release are not known"


def _at(spec: Any, part: str) -> Any:
    """What stands at a dotted place; of a list, what the first item with it has."""
    found = spec
    for name in part.split(".") if part else ():
        items = found if isinstance(found, list) else [found]
        found = next((i[name] for i in items if isinstance(i, dict) and i.get(name)), None)
    return found

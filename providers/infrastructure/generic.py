"""Any other provider, by the names and fields that Cluster API's contracts prescribe.

Source: Cluster API book, contract rules for InfraCluster, InfraMachine, InfraMachineTemplate,
InfraMachinePool, ControlPlane and BootstrapConfig.
"""

from __future__ import annotations

from providers.base import KindRules, RefRule
from providers.capi import PROVISIONED
from providers.descriptor import BOOTSTRAP, CONTROL_PLANE, CONTROL_PLANE_READY, INFRASTRUCTURE

_IDENTITY = (
    RefRule(
        path="spec.identityRef",
        group=INFRASTRUCTURE,
        same_namespace=False,
        reason="uses its credentials",
    ),
)
_MACHINES = tuple(
    RefRule(path=path, reason="makes its machines")
    for path in (
        "spec.machineTemplate.spec.infrastructureRef",
        "spec.machineTemplate.infrastructureRef",  # contract v1beta1
        "spec.infrastructureRef",
        "spec.infrastructureTemplate",  # Talos
    )
)


def rules(group: str, kind: str) -> KindRules | None:
    """The rules of a kind by its group and name, or None where no contract covers it."""
    if group not in (INFRASTRUCTURE, CONTROL_PLANE, BOOTSTRAP):
        return None
    if kind.endswith("Template"):
        return KindRules(template=True, cascaded=True)
    if group == CONTROL_PLANE:
        return KindRules(
            references=_MACHINES,
            cascaded=True,
            protected=True,
            control_plane=True,
            machines=True,  # some have none; then none are found
            provider_defined=(
                "spec.version",
                "spec.machineTemplate",
                "spec.infrastructureTemplate",
            ),
            ready=CONTROL_PLANE_READY,
        )
    if group == BOOTSTRAP:
        return KindRules(cascaded=True)
    if "Identity" in kind:
        return KindRules(always_shared=True)
    if kind.endswith("Cluster"):
        return KindRules(references=_IDENTITY, cascaded=True, protected=True, ready=PROVISIONED)
    return KindRules(cascaded=True)

"""Any other infrastructure provider, by the contract's naming rules alone.

Source: Cluster API book, "Contract rules for InfraCluster / InfraMachine / InfraMachineTemplate".
"""

from __future__ import annotations

from providers.base import KindRules, RefRule
from providers.capi import PROVISIONED

GROUP = "infrastructure.cluster.x-k8s.io"

_IDENTITY = (
    RefRule(
        path="spec.identityRef",
        group=GROUP,
        same_namespace=False,
        reason="uses its credentials",
    ),
)


def rules(group: str, kind: str) -> KindRules | None:
    """The rules of an infrastructure kind by its name, or None for other groups."""
    if group != GROUP:
        return None
    if kind.endswith("Template"):
        return KindRules(template=True, cascaded=True)
    if "Identity" in kind:
        return KindRules(always_shared=True)
    if kind.endswith("Cluster"):
        return KindRules(references=_IDENTITY, cascaded=True, protected=True, ready=PROVISIONED)
    return KindRules(cascaded=True)

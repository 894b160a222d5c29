"""Docker and Dev (in-memory) infrastructure, the providers of tests and demos.

Source: Cluster API v1.14.0, test/infrastructure/docker/api. `Docker*` kinds are deprecated in
favour of `Dev*` and removed in 1.15.
"""

from __future__ import annotations

from providers.base import KindRules
from providers.capi import PROVISIONED
from state.resource import GroupKind

GROUP = "infrastructure.cluster.x-k8s.io"

_CLUSTER = KindRules(cascaded=True, protected=True, ready=PROVISIONED)
_MACHINE = KindRules(cascaded=True)
_TEMPLATE = KindRules(template=True, cascaded=True)

KINDS: dict[GroupKind, KindRules] = {
    GroupKind(GROUP, prefix + kind): rules
    for prefix in ("Docker", "Dev")
    for kind, rules in (
        ("Cluster", _CLUSTER),
        ("ClusterTemplate", _TEMPLATE),
        ("Machine", _MACHINE),
        ("MachineTemplate", _TEMPLATE),
        ("MachinePool", _MACHINE),
        ("MachinePoolTemplate", _TEMPLATE),
    )
}

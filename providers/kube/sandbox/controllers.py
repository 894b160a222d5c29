"""The simulated controllers of the built-in management cluster: kind → reconciler.

Deterministic: all that happens follows from what is stored and from the time. See
`controllers_objects.Timings` for how long things take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from providers.descriptor import Role
from providers.kube.sandbox import (
    controllers_bootstrap,
    controllers_classes,
    controllers_cluster,
    controllers_controlplane,
    controllers_deployments,
    controllers_infrastructure,
    controllers_machines,
    controllers_machinesets,
    controllers_managed,
    controllers_others,
    controllers_resourcesets,
)
from providers.kube.sandbox.controllers_builtin import WORKLOADS
from providers.kube.sandbox.controllers_contracts import role_of
from providers.kube.sandbox.controllers_objects import (
    ADDONS,
    BOOTSTRAP,
    CONTROL_PLANE,
    CORE,
)
from providers.kube.sandbox.world import Reconciler

_NAMED: Mapping[tuple[str, str], Reconciler] = {
    **WORKLOADS,
    (CORE, "Cluster"): controllers_cluster.reconcile,
    (CORE, "MachineDeployment"): controllers_deployments.reconcile,
    (CORE, "ClusterClass"): controllers_classes.reconcile_class,
    (CORE, "MachinePool"): controllers_others.reconcile_pool,
    (CORE, "MachineHealthCheck"): controllers_others.reconcile_health_check,
    (ADDONS, "ClusterResourceSet"): controllers_resourcesets.reconcile,
    ("", "ConfigMap"): controllers_resourcesets.reconcile_source,
    ("", "Secret"): controllers_resourcesets.reconcile_source,
    (CORE, "MachineSet"): controllers_machinesets.reconcile,
    (CORE, "Machine"): controllers_machines.reconcile,
    (BOOTSTRAP, "KubeadmConfig"): controllers_bootstrap.reconcile_config,
    (CONTROL_PLANE, "KubeadmControlPlane"): controllers_controlplane.reconcile,
    **dict.fromkeys(controllers_classes.TEMPLATES, controllers_classes.reconcile_template),
}

_BY_ROLE: Mapping[Role | None, Reconciler] = {
    Role.CLUSTER: controllers_infrastructure.reconcile_cluster,
    Role.MACHINE: controllers_infrastructure.reconcile_machine,
    Role.POOL: controllers_infrastructure.reconcile_pool,
    Role.CONTROL_PLANE: controllers_managed.reconcile,
    Role.TEMPLATE: controllers_classes.reconcile_template,
}
"""Kinds of every infrastructure provider, by its table or the contract's names."""


class _Reconcilers(Mapping[tuple[str, str], Reconciler]):
    """The named kinds, and whatever kind of an infrastructure provider there is."""

    def __getitem__(self, kind: tuple[str, str]) -> Reconciler:
        found = _NAMED.get(kind)
        if found is None:
            found = _BY_ROLE.get(role_of(*kind))
        if found is None:
            raise KeyError(kind)
        return found

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(_NAMED)

    def __len__(self) -> int:
        return len(_NAMED)


RECONCILERS: Mapping[tuple[str, str], Reconciler] = _Reconcilers()

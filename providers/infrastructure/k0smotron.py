"""Machines that exist, given by address and SSH key: k0smotron's remote machines.

Source: k0sproject/k0smotron 3897bbe (config/crd, docs/capi-remote.md). Works with any bootstrap
provider by contract; upstream tests it with k0s. Nothing is provisioned: the machines of a template
claim entries of a pool, so a pool smaller than replicas and surge together stalls a rollout.
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import Durations, Kind, Provider, Role, kinds


def _key(at: str) -> RefRule:
    return RefRule(
        path=f"{at}.sshKeyRef",
        targets=(Target(kind="Secret", keys=("value",)),),
        reason="is reached with its SSH key",
    )


_ACCESS = """
{0}.port              integer
{0}.user              string
{0}.useSudo           boolean
{0}.workingDir        string
{0}.commandsAsScript  boolean
{0}.cleanUpCommands   array
{0}.sshKeyRef.name    string!
"""

PROVIDERS = (
    Provider(
        name="k0sproject-k0smotron",
        title="Existing machines over SSH (k0smotron)",
        source="k0smotron 3897bbe",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta2",
        # Its tests use small machines; installing over SSH takes what kubeadm takes.
        durations=Durations(
            infrastructure=300, control_plane=1200, workers=1200, rollout=3600, removal=1200
        ),
        kinds=kinds(
            RemoteCluster=Kind(
                role=Role.CLUSTER,
                fields="""
spec.controlPlaneEndpoint       object
spec.controlPlaneEndpoint.host  string
spec.controlPlaneEndpoint.port  integer
""",
            ),
            RemoteClusterTemplate=Kind(role=Role.TEMPLATE),
            RemoteMachine=Kind(
                role=Role.MACHINE,
                references=(_key("spec"),),
                fields="""
spec.address    string
spec.pool       string
spec.sshKeyRef  object
"""
                + _ACCESS.format("spec"),
            ),
            RemoteMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields="""
spec.template                    object!
spec.template.spec               object
spec.template.spec.pool          string!
spec.template.spec.provisionJob  object
""",
            ),
            # Copied into a RemoteMachine when it is claimed, and not to be changed after that.
            PooledRemoteMachine=Kind(
                role=Role.HOST,
                references=(_key("spec.machine"),),
                immutable=("spec",),
                fields="""
spec.pool               string!
spec.machine            object!
spec.machine.address    string!
spec.machine.sshKeyRef  object!
"""
                + _ACCESS.format("spec.machine"),
            ),
        ),
    ),
)

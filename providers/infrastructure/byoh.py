"""Bring your own host: machines that run an agent and register themselves.

Source: vmware-tanzu/cluster-api-provider-bringyourownhost df81656 (0.5, February 2024) —
config/crd/bases, test/e2e/data. Built against Cluster API 1.4 and not released since.
"""

from __future__ import annotations

from providers.base import RefRule
from providers.descriptor import INFRASTRUCTURE, Durations, Kind, Provider, Role, kinds


def _installer(at: str) -> RefRule:
    return RefRule(
        path=f"{at}.installerRef", group=INFRASTRUCTURE, reason="is installed as it says"
    )


_MACHINE = """
{0}.selector                object
{0}.selector.matchLabels    object
{0}.installerRef            object
{0}.installerRef.apiVersion string
{0}.installerRef.kind       string
{0}.installerRef.name       string
{0}.installerRef.namespace  string
"""
_INSTALLER = """
{0}.bundleRepo  string!
{0}.bundleType  string!
"""

PROVIDERS = (
    Provider(
        name="byoh",
        title="Bring your own host",
        source="cluster-api-provider-bringyourownhost 0.5",
        versions=("v1beta1",),
        contract="v1beta1",
        durations=Durations(
            infrastructure=600, control_plane=1800, workers=1800, rollout=3600, removal=1200
        ),
        legacy="bring-your-own-host has had no release since February 2024 and was built for"
        " Cluster API 1.4; the way out: RemoteMachines of k0smotron for the same machines",
        kinds=kinds(
            ByoCluster=Kind(
                role=Role.CLUSTER,
                fields="""
spec.bundleLookupBaseRegistry   string
spec.controlPlaneEndpoint       object
spec.controlPlaneEndpoint.host  string!
spec.controlPlaneEndpoint.port  integer!
""",
            ),
            ByoClusterTemplate=Kind(role=Role.TEMPLATE),
            ByoMachine=Kind(
                role=Role.MACHINE, references=(_installer("spec"),), fields=_MACHINE.format("spec")
            ),
            # No webhook keeps it from changing; existing machines would never see it.
            ByoMachineTemplate=Kind(
                role=Role.TEMPLATE,
                references=(_installer("spec.template.spec"),),
                fields="spec.template object!\nspec.template.spec object!"
                + _MACHINE.format("spec.template.spec"),
            ),
            ByoHost=Kind(
                role=Role.HOST,
                written=("spec.bootstrapSecret", "spec.installationSecret"),
            ),
            BootstrapKubeconfig=Kind(
                role=Role.PLACE,  # the agents of many clusters' hosts register with it
                fields="""
spec.apiserver                   string!
spec.certificate-authority-data  string!
spec.insecure-skip-tls-verify    boolean
""",
            ),
            K8sInstallerConfig=Kind(role=Role.PART, fields=_INSTALLER.format("spec")),
            K8sInstallerConfigTemplate=Kind(
                role=Role.TEMPLATE,
                fields="spec.template object!\nspec.template.spec object!"
                + _INSTALLER.format("spec.template.spec"),
            ),
        ),
    ),
)

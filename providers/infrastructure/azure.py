"""Azure: clusters on virtual machines.

Source: kubernetes-sigs/cluster-api-provider-azure 69ec3a4 (1.26) — config/crd/bases, api/v1beta1
(what may not change), controllers/azurejson_*_controller.go (Secrets named after machine owners),
test/e2e/config.
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import INFRASTRUCTURE, Derived, Durations, Kind, Provider, Role, kinds
from state.resource import GroupKind

_IDENTITY = RefRule(
    path="spec.identityRef",
    same_namespace=False,
    targets=(Target(kind="AzureClusterIdentity", group=INFRASTRUCTURE),),
    reason="uses its credentials",
)
_MACHINE = """
{0}.vmSize                                 string!
{0}.osDisk                                 object!
{0}.osDisk.osType                          string!
{0}.osDisk.diskSizeGB                      integer
{0}.osDisk.cachingType                     None|ReadOnly|ReadWrite
{0}.osDisk.managedDisk                     object
{0}.osDisk.managedDisk.storageAccountType  string
{0}.sshPublicKey                           string
{0}.identity                               None|SystemAssigned|UserAssigned
{0}.image                                  object
{0}.dataDisks                              array
{0}.networkInterfaces                      array
{0}.allocatePublicIP                       boolean
{0}.additionalTags                         object
"""

PROVIDERS = (
    Provider(
        name="azure",
        title="Azure",
        source="cluster-api-provider-azure 1.26",
        versions=("v1beta1",),
        contract="v1beta1",
        durations=Durations(
            infrastructure=1200, control_plane=3600, workers=1800, rollout=3600, removal=1800
        ),
        # One Secret with the cloud provider's configuration for each owner of machines; bootstrap
        # files refer to it by name, and it goes with the object that it is named after.
        derived=tuple(
            Derived(of=GroupKind(INFRASTRUCTURE, kind), suffix="-azure-json")
            for kind in ("AzureMachineTemplate", "AzureMachinePool")
        ),
        kinds=kinds(
            AzureCluster=Kind(
                role=Role.CLUSTER,
                references=(_IDENTITY,),
                immutable=(
                    "spec.location",
                    "spec.resourceGroup",
                    "spec.subscriptionID",
                    "spec.azureEnvironment",
                    "spec.controlPlaneEndpoint",
                    "spec.networkSpec.privateDNSZoneName",
                ),
                written=("spec.controlPlaneEndpoint", "spec.networkSpec", "spec.failureDomains"),
                fields="""
spec.location                       string!
spec.resourceGroup                  string
spec.subscriptionID                 string
spec.azureEnvironment               string
spec.additionalTags                 object
spec.identityRef                    object
spec.identityRef.apiVersion         string
spec.identityRef.kind               string
spec.identityRef.name               string
spec.identityRef.namespace          string
spec.networkSpec                    object
spec.networkSpec.vnet               object
spec.networkSpec.vnet.name          string!
spec.networkSpec.subnets            array
spec.networkSpec.subnets[*].name    string!
spec.networkSpec.subnets[*].role    node|control-plane|bastion|cluster!
""",
            ),
            AzureClusterTemplate=Kind(role=Role.TEMPLATE),
            AzureMachine=Kind(role=Role.MACHINE, fields=_MACHINE.format("spec")),
            AzureMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields="spec.template object!\nspec.template.spec object!"
                + _MACHINE.format("spec.template.spec"),
            ),
            AzureMachinePool=Kind(role=Role.POOL, rolls=("spec.template",)),
            AzureMachinePoolMachine=Kind(role=Role.MACHINE),
            AzureClusterIdentity=Kind(
                role=Role.IDENTITY,
                references=(
                    RefRule(
                        path="spec.clientSecret",
                        same_namespace=False,
                        targets=(Target(kind="Secret", keys=("clientSecret",)),),
                        reason="takes its credentials from it",
                    ),
                ),
                immutable=("spec.type",),
                fields="""
spec.type                        """
                "ServicePrincipal|UserAssignedMSI|ManualServicePrincipal|"
                """ServicePrincipalCertificate|WorkloadIdentity|UserAssignedIdentityCredential!
spec.tenantID                    string!
spec.clientID                    string!
spec.clientSecret                object
spec.clientSecret.name           string
spec.clientSecret.namespace      string
spec.allowedNamespaces           object
spec.allowedNamespaces.list      array
""",
            ),
        ),
    ),
)

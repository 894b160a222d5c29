"""Metal3: clusters on bare metal that Ironic installs.

Source: metal3-io/cluster-api-provider-metal3 2f6d76b (1.14) — config/crd/bases, docs/api.md,
test/e2e/config; metal3-io/baremetal-operator apis/metal3.io/v1alpha1 for hosts.
"""

from __future__ import annotations

from providers.base import RefRule, Target
from providers.descriptor import INFRASTRUCTURE, Durations, Kind, Provider, Role, kinds

_POOL = (Target(kind="IPPool", group="ipam.metal3.io"),)
_POOLS = (
    *(
        RefRule(path=f"spec.metaData.{field}[*]", targets=_POOL, reason="takes addresses from it")
        for field in (
            "ipAddressesFromPool",
            "prefixesFromPool",
            "gatewaysFromPool",
            "dnsServersFromPool",
        )
    ),
    *(
        RefRule(
            path=f"spec.networkData.networks.{field}[*].ipAddressFromIPPool",
            name="",
            targets=_POOL,
            reason="takes addresses from it",
        )
        for field in ("ipv4", "ipv6")
    ),
)


def _machine_refs(at: str) -> tuple[RefRule, ...]:
    return (
        RefRule(
            path=f"{at}.dataTemplate",
            group=INFRASTRUCTURE,
            kind="Metal3DataTemplate",
            reason="renders its data from it",
        ),
        *(
            RefRule(path=f"{at}.{field}", kind="Secret", reason="hands it to the machine")
            for field in ("userData", "metaData", "networkData")
        ),
    )


_MACHINE = """
{0}.image                          object
{0}.image.url                      string!
{0}.image.checksum                 string
{0}.image.checksumType             md5|sha256|sha512
{0}.image.diskFormat               raw|qcow2|vdi|vmdk|live-iso
{0}.dataTemplate                   object
{0}.dataTemplate.name              string
{0}.hostSelector                   object
{0}.hostSelector.matchLabels       object
{0}.automatedCleaningMode          metadata|disabled
{0}.userData                       object
{0}.metaData                       object
{0}.networkData                    object
"""

PROVIDERS = (
    Provider(
        name="metal3",
        title="Metal3",
        source="cluster-api-provider-metal3 1.14",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta2",
        durations=Durations(
            infrastructure=1200, control_plane=1800, workers=3600, rollout=3600, removal=2400
        ),
        kinds={
            **kinds(
                Metal3Cluster=Kind(
                    role=Role.CLUSTER,
                    fields="""
spec.controlPlaneEndpoint          object
spec.controlPlaneEndpoint.host     string
spec.controlPlaneEndpoint.port     integer
spec.cloudProviderEnabled          boolean
spec.failureDomains                array
""",
                ),
                Metal3ClusterTemplate=Kind(role=Role.TEMPLATE),
                Metal3Machine=Kind(
                    role=Role.MACHINE,
                    references=_machine_refs("spec"),
                    fields=_MACHINE.format("spec"),
                ),
                # No webhook keeps it from changing; existing machines would never see it.
                Metal3MachineTemplate=Kind(
                    role=Role.TEMPLATE,
                    references=_machine_refs("spec.template.spec"),
                    fields="spec.nodeReuse boolean\nspec.template object!\n"
                    "spec.template.spec object!" + _MACHINE.format("spec.template.spec"),
                ),
                # Here a webhook does: `metaData` and `networkData` never change.
                Metal3DataTemplate=Kind(
                    role=Role.TEMPLATE,
                    references=_POOLS,
                    fields="""
spec.clusterName                              string
spec.metaData                                 object
spec.metaData.objectNames                     array
spec.metaData.objectNames[*].key              string!
spec.metaData.objectNames[*].object           machine|metal3machine|baremetalhost!
spec.metaData.ipAddressesFromPool             array
spec.metaData.ipAddressesFromPool[*].key      string!
spec.metaData.ipAddressesFromPool[*].name     string!
spec.metaData.ipAddressesFromPool[*].apiGroup string
spec.metaData.ipAddressesFromPool[*].kind     string
spec.metaData.fromHostInterfaces              array
spec.metaData.strings                         array
spec.networkData                              object
""",
                ),
                Metal3Data=Kind(role=Role.PART),
                Metal3DataClaim=Kind(role=Role.PART),
                Metal3Remediation=Kind(role=Role.PART),
                Metal3RemediationTemplate=Kind(role=Role.TEMPLATE),
            ),
            **kinds(
                "metal3.io",
                BareMetalHost=Kind(
                    role=Role.HOST,
                    versions=("v1alpha1",),
                    references=(
                        RefRule(
                            path="spec.bmc.credentialsName",
                            name="",
                            targets=(Target(kind="Secret", keys=("username", "password")),),
                            reason="is switched on with it",
                        ),
                    ),
                    # The provider claims a host by writing what it is to run.
                    written=(
                        "spec.consumerRef",
                        "spec.image",
                        "spec.online",
                        "spec.userData",
                        "spec.metaData",
                        "spec.networkData",
                    ),
                    fields="""
spec.online                        boolean
spec.bootMACAddress                string
spec.bootMode                      UEFI|UEFISecureBoot|legacy
spec.bmc                           object
spec.bmc.address                   string!
spec.bmc.credentialsName           string!
spec.bmc.disableCertificateVerification  boolean
""",
                ),
            ),
            **kinds(
                "ipam.metal3.io",
                IPPool=Kind(role=Role.PART, versions=("v1alpha1",), fields="spec.pools array"),
            ),
        },
    ),
)

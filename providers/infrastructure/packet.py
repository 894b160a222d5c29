"""Packet, later Equinix Metal: clusters on rented bare metal.

Source: kubernetes-sigs/cluster-api-provider-packet 762acd1 (0.9) — config/crd/bases, api/v1beta1;
clusterctl has not listed it since, and Equinix ended the service in June 2026.
"""

from __future__ import annotations

from providers.descriptor import Durations, Kind, Provider, Role, kinds

_MACHINE = """
{0}.machineType            string!
{0}.os                     string!
{0}.billingCycle           string
{0}.metro                  string
{0}.facility               string
{0}.sshKeys                array
{0}.tags                   array
{0}.hardwareReservationID  string
{0}.ipxeURL                string
"""

PROVIDERS = (
    Provider(
        name="packet",
        title="Packet (Equinix Metal)",
        source="cluster-api-provider-packet 0.9",
        versions=("v1beta1",),
        contract="v1beta1",
        durations=Durations(
            infrastructure=1200, control_plane=1800, workers=1800, rollout=3600, removal=1800
        ),
        legacy="Equinix Metal ended in June 2026 and clusterctl does not list its provider any"
        " more; the way out: Metal3, or RemoteMachines of k0smotron for machines that exist",
        kinds=kinds(
            PacketCluster=Kind(
                role=Role.CLUSTER,
                immutable=("spec.projectID", "spec.facility", "spec.metro", "spec.vipManager"),
                written=("spec.controlPlaneEndpoint",),
                fields="""
spec.projectID                     string!
spec.metro                         string
spec.facility                      string
spec.vipManager                    CPEM|KUBE_VIP|EMLB!
spec.controlPlaneEndpoint          object
spec.controlPlaneEndpoint.host     string!
spec.controlPlaneEndpoint.port     integer!
""",
            ),
            PacketMachine=Kind(role=Role.MACHINE, fields=_MACHINE.format("spec")),
            # No webhook keeps it from changing; existing machines would never see it.
            PacketMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields="spec.template object!\nspec.template.spec object!"
                + _MACHINE.format("spec.template.spec"),
            ),
        ),
    ),
)

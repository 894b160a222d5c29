"""Docker and Dev (in-memory) infrastructure, the providers of tests and demos.

Source: Cluster API v1.14.0 — test/infrastructure/docker and test/e2e/config (durations).
`Docker*` kinds are deprecated in favour of `Dev*` and removed in 1.15.
"""

from __future__ import annotations

from providers.descriptor import Durations, Kind, Provider, Role, kinds

_ENDPOINT = """
spec.controlPlaneEndpoint                object
spec.controlPlaneEndpoint.host           string
spec.controlPlaneEndpoint.port           integer
"""
_TEMPLATE = "spec.template object!\nspec.template.spec object!"
_DURATIONS = Durations(
    infrastructure=300, control_plane=600, workers=300, rollout=1200, removal=180
)

PROVIDERS = (
    Provider(
        name="dev",
        title="Dev (in memory or Docker)",
        source="cluster-api v1.14.0",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta2",
        durations=_DURATIONS,
        kinds=kinds(
            DevCluster=Kind(
                role=Role.CLUSTER,
                written=("spec.controlPlaneEndpoint",),
                fields=_ENDPOINT
                + """
spec.backend                             object!
spec.backend.docker                      object
spec.backend.inMemory                    object
""",
            ),
            DevClusterTemplate=Kind(role=Role.TEMPLATE),
            DevMachine=Kind(role=Role.MACHINE),
            DevMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields=_TEMPLATE
                + """
spec.template.spec.backend               object!
spec.template.spec.backend.docker        object
spec.template.spec.backend.inMemory      object
""",
            ),
            DevMachinePool=Kind(role=Role.POOL, versions=("v1beta2",)),
            DevMachinePoolTemplate=Kind(role=Role.TEMPLATE, versions=("v1beta2",)),
        ),
    ),
    Provider(
        name="docker",
        title="Docker",
        source="cluster-api v1.14.0",
        versions=("v1beta1", "v1beta2"),
        contract="v1beta2",
        durations=_DURATIONS,
        legacy="Docker* kinds are deprecated and gone in Cluster API 1.15; the way out:"
        " Dev* kinds with `backend.docker`",
        kinds=kinds(
            DockerCluster=Kind(
                role=Role.CLUSTER,
                written=("spec.controlPlaneEndpoint",),
                fields=_ENDPOINT + "spec.loadBalancer object",
            ),
            DockerClusterTemplate=Kind(role=Role.TEMPLATE),
            DockerMachine=Kind(role=Role.MACHINE),
            DockerMachineTemplate=Kind(
                role=Role.TEMPLATE,
                fields=_TEMPLATE
                + """
spec.template.spec.customImage           string
spec.template.spec.extraMounts           array
spec.template.spec.preLoadImages         array
""",
            ),
            DockerMachinePool=Kind(role=Role.POOL),
            DockerMachinePoolTemplate=Kind(role=Role.TEMPLATE),
        ),
    ),
)

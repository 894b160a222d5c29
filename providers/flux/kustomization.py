"""A Flux Kustomization as a value: everything of it that decides what is applied, where and when.

Read: kustomize-controller/api v1.9.5, v1/kustomization_types.go; v1beta2 and v1beta1 have the same
fields under the same names, and some more that changed what is applied (`validation` did not).
"""

from __future__ import annotations

import msgspec

from providers.flux.shape import Shape, duration
from providers.kustomize.options import FluxBuild
from state.errors import ClusterformError
from state.resource import GroupKind, JsonObject, split_api_version

GROUP = "kustomize.toolkit.fluxcd.io"
KUSTOMIZATION = GroupKind(GROUP, "Kustomization")
VERSIONS = ("v1", "v1beta2", "v1beta1")
SOURCE_KINDS = ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")
POLICIES = ("MirrorPrune", "Delete", "WaitForTermination", "Orphan")


class ObjectRef(msgspec.Struct, frozen=True, gc=False):
    """Another object, its namespace filled in."""

    kind: str
    namespace: str
    name: str
    api_version: str = ""


class SubstituteFrom(msgspec.Struct, frozen=True, gc=False):
    """A ConfigMap or Secret of the Kustomization's namespace whose keys are variables."""

    kind: str
    name: str
    optional: bool = False


class PostBuild(msgspec.Struct, frozen=True, gc=False):
    """Substitution: where it is written at all, every object goes through it."""

    substitute: dict[str, str] = {}
    substitute_from: tuple[SubstituteFrom, ...] = ()
    always: bool = False
    """Also without any variable (`substituteStrategy: Always`)."""


class KubeConfig(msgspec.Struct, frozen=True, gc=False):
    """The remote cluster that the objects are applied to."""

    kind: str
    """`Secret`, or `ConfigMap` for one that a cloud's identity opens."""
    namespace: str
    name: str
    key: str = ""
    """Of the Secret; `""`: `value`, then `value.yaml`."""


class IgnoreRule(msgspec.Struct, frozen=True, gc=False):
    """Fields (JSON pointers) left to whoever writes them, on the objects that `target` selects."""

    paths: tuple[str, ...]
    target: JsonObject | None = None


class FluxKustomization(msgspec.Struct, frozen=True, kw_only=True):
    """A Kustomization, its defaults filled in. Times are seconds."""

    namespace: str
    name: str
    api_version: str
    path: str
    """Of the folder in its source: no `./`, no slash at the ends; `""` is the source's root."""
    source: ObjectRef
    prune: bool
    deletion_policy: str = "MirrorPrune"
    depends_on: tuple[ObjectRef, ...] = ()
    ready_exprs: tuple[str, ...] = ()
    """CEL conditions of `dependsOn`: not evaluated here, said as findings by who orders."""
    wait: bool = False
    health_checks: tuple[ObjectRef, ...] = ()
    health_check_exprs: tuple[JsonObject, ...] = ()
    interval: float
    timeout: float
    force: bool = False
    suspend: bool = False
    target_namespace: str = ""
    name_prefix: str = ""
    name_suffix: str = ""
    patches: tuple[JsonObject, ...] = ()
    images: tuple[JsonObject, ...] = ()
    patches_strategic_merge: tuple[JsonObject, ...] = ()
    """v1beta1 and v1beta2 only."""
    patches_json6902: tuple[JsonObject, ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    common_labels: dict[str, str] = {}
    common_annotations: dict[str, str] = {}
    build_metadata: tuple[str, ...] = ()
    decryption: JsonObject | None = None
    """`provider` (sops) and its `secretRef`, as written."""
    post_build: PostBuild | None = None
    kube_config: KubeConfig | None = None
    service_account: str = ""
    ignore: tuple[IgnoreRule, ...] = ()
    unsupported: tuple[str, ...] = ()
    """Fields of `spec` that clusterform does not know: what they change is not in the plan."""

    @property
    def deletes(self) -> bool:
        """Deleting the Kustomization deletes its objects."""
        if self.deletion_policy == "MirrorPrune":
            return self.prune
        return self.deletion_policy != "Orphan"

    def build_options(self) -> FluxBuild:
        """What it adds to a kustomize build of its folder."""
        return FluxBuild(
            target_namespace=self.target_namespace,
            name_prefix=self.name_prefix,
            name_suffix=self.name_suffix,
            patches=self.patches,
            patches_strategic_merge=self.patches_strategic_merge,
            patches_json6902=self.patches_json6902,
            images=self.images,
            components=self.components,
            ignore_missing_components=self.ignore_missing_components,
            build_metadata=self.build_metadata,
        )


_READ = frozenset(
    ("path", "sourceRef", "prune", "deletionPolicy", "dependsOn", "wait", "healthChecks",
     "healthCheckExprs", "interval", "retryInterval", "timeout", "force", "suspend",
     "targetNamespace", "namePrefix", "nameSuffix", "patches", "patchesStrategicMerge",
     "patchesJson6902", "images", "components", "ignoreMissingComponents", "commonMetadata",
     "buildMetadata", "decryption", "postBuild", "kubeConfig", "serviceAccountName", "ignore",
     "validation")
)  # fmt: skip


def is_kustomization(body: JsonObject) -> bool:
    """A Flux Kustomization, of any version; not kustomize's own file format."""
    api_version = body.get("apiVersion")
    if body.get("kind") != "Kustomization" or not isinstance(api_version, str):
        return False
    return split_api_version(api_version)[0] == GROUP


def read(body: JsonObject, default_namespace: str = "default") -> FluxKustomization:
    """The value of a body. Raises ClusterformError('flux-field') that names the wrong field."""
    shape = Shape.of(body, GROUP, VERSIONS)
    spec = shape.part("spec", required=True)
    common = spec.part("commonMetadata")
    metadata = shape.part("metadata")
    namespace = metadata.text("namespace", default_namespace)
    interval = duration(spec, "interval") or 0.0
    depends = spec.parts("dependsOn")
    policy = spec.text("deletionPolicy", "MirrorPrune", among=POLICIES)
    strategic = spec.dicts("patchesStrategicMerge")
    return FluxKustomization(
        namespace=namespace,
        name=metadata.text("name", required=True),
        api_version=str(body["apiVersion"]),
        path=_path(spec),
        source=_source(spec.part("sourceRef", required=True), namespace),
        prune=spec.flag("prune"),
        deletion_policy=policy,
        depends_on=tuple(_dependency(one, namespace) for one in depends),
        ready_exprs=tuple(expr for one in depends if (expr := one.text("readyExpr"))),
        wait=spec.flag("wait"),
        health_checks=tuple(_checked(one, namespace) for one in spec.parts("healthChecks")),
        health_check_exprs=spec.dicts("healthCheckExprs"),
        interval=interval,
        # kustomization_types.go GetTimeout: a timeout below 30 s is 30 s.
        timeout=max(duration(spec, "timeout") or interval - 30.0, 30.0),
        force=spec.flag("force"),
        suspend=spec.flag("suspend"),
        target_namespace=spec.text("targetNamespace"),
        name_prefix=spec.text("namePrefix"),
        name_suffix=spec.text("nameSuffix"),
        patches=spec.dicts("patches"),
        patches_strategic_merge=strategic,
        patches_json6902=spec.dicts("patchesJson6902"),
        images=spec.dicts("images"),
        components=spec.texts("components"),
        ignore_missing_components=spec.flag("ignoreMissingComponents"),
        common_labels=common.text_map("labels"),
        common_annotations=common.text_map("annotations"),
        build_metadata=spec.texts("buildMetadata"),
        decryption=spec.body.get("decryption") and spec.part("decryption").body,
        post_build=_post_build(spec),
        kube_config=_kube_config(spec, namespace),
        service_account=spec.text("serviceAccountName"),
        ignore=tuple(
            IgnoreRule(one.texts("paths"), one.part("target").body or None)
            for one in spec.parts("ignore")
        ),
        unsupported=tuple(sorted(set(spec.body) - _READ)),
    )


def _path(spec: Shape) -> str:
    parts: list[str] = []
    for part in spec.text("path").split("/"):
        if part == "..":
            if not parts:
                raise spec.wrong("path", "it leaves its source")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _source(ref: Shape, namespace: str) -> ObjectRef:
    return ObjectRef(
        kind=ref.text("kind", required=True, among=SOURCE_KINDS),
        namespace=ref.text("namespace", namespace),
        name=ref.text("name", required=True),
        api_version=ref.text("apiVersion"),
    )


def _dependency(one: Shape, namespace: str) -> ObjectRef:
    return ObjectRef(
        kind="Kustomization",
        namespace=one.text("namespace", namespace),
        name=one.text("name", required=True),
    )


def _checked(one: Shape, namespace: str) -> ObjectRef:
    return ObjectRef(
        kind=one.text("kind", required=True),
        namespace=one.text("namespace", namespace),
        name=one.text("name", required=True),
        api_version=one.text("apiVersion"),
    )


def _post_build(spec: Shape) -> PostBuild | None:
    if spec.body.get("postBuild") is None:
        return None
    found = spec.part("postBuild")
    strategy = found.text("substituteStrategy", "WithVariables", among=("WithVariables", "Always"))
    return PostBuild(
        substitute=found.text_map("substitute"),
        substitute_from=tuple(
            SubstituteFrom(
                kind=one.text("kind", required=True, among=("ConfigMap", "Secret")),
                name=one.text("name", required=True),
                optional=one.flag("optional"),
            )
            for one in found.parts("substituteFrom")
        ),
        always=strategy == "Always",
    )


def _kube_config(spec: Shape, namespace: str) -> KubeConfig | None:
    if spec.body.get("kubeConfig") is None:
        return None
    found = spec.part("kubeConfig")
    secret, config = found.part("secretRef"), found.part("configMapRef")
    if bool(secret.body) == bool(config.body):
        raise spec.wrong("kubeConfig", "it takes one of secretRef and configMapRef")
    if config.body:
        return KubeConfig("ConfigMap", namespace, config.text("name", required=True))
    return KubeConfig("Secret", namespace, secret.text("name", required=True), secret.text("key"))


def unsupported_findings(found: FluxKustomization) -> list[ClusterformError]:
    """What of a Kustomization the plan cannot show, one warning each."""
    where = f"Kustomization {found.namespace}/{found.name}"
    said: list[tuple[str, str]] = [
        (field, "clusterform does not know this field: what it changes is not in the plan")
        for field in found.unsupported
    ]
    if found.ready_exprs:
        said.append(("dependsOn[].readyExpr", "the condition is not evaluated"))
    if found.kube_config and found.kube_config.kind == "ConfigMap":
        said.append(("kubeConfig.configMapRef", "clusters opened by a cloud's identity are not"
                     " reached"))  # fmt: skip
    return [
        ClusterformError("flux-unsupported", f"spec.{field}: {why}", where=where)
        for field, why in said
    ]

"""HelmReleases of Flux and of the Helm Operator as values: what is installed, and where.

Read: helm-controller/api v1.6 (v2; v2beta2 and v2beta1 by the same names), and helm-operator v1.4,
pkg/apis/helm.fluxcd.io/v1/types_helmrelease.go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from providers.flux.kustomization import KubeConfig
from providers.flux.shape import Shape
from providers.helm import fields
from providers.helm.hooks import RUN
from state.resource import GroupKind, JsonObject, split_api_version

FLUX = GroupKind("helm.toolkit.fluxcd.io", "HelmRelease")
OPERATOR = GroupKind("helm.fluxcd.io", "HelmRelease")
HELM_RELEASES = (FLUX, OPERATOR)
_LONGEST = 53
"""Characters of a release's name that Helm takes."""
SOURCE_KINDS = ("HelmRepository", "GitRepository", "Bucket")
CHART_KINDS = ("OCIRepository", "HelmChart", "ExternalArtifact")
_POLICIES = ("Skip", "Create", "CreateReplace")
_STRATEGIES = ("nohooks", "combined", "separate")


class ChartRef(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where a chart is found."""

    kind: str
    """`git` (url, ref, path) · `repository` (url, name, version) · `source` (a Flux source that
    holds it) · `object` (a Flux object that is the chart)."""
    url: str = ""
    ref: str = ""
    path: str = ""
    name: str = ""
    version: str = ""
    source: tuple[str, str, str] = ("", "", "")
    """Kind, namespace and name."""
    values_files: tuple[str, ...] = ()
    ignore_missing: bool = False
    strategy: str = "ChartVersion"

    @property
    def text(self) -> str:
        """For people: `aws-cluster 1.4.x from HelmRepository flux-system/charts`."""
        if self.kind == "git":
            return f"{self.url} {self.path}" + (f" at {self.ref}" if self.ref else "")
        if self.kind == "repository":
            return f"{self.name} {self.version} from {self.url}"
        kind, namespace, name = self.source
        what = " ".join(part for part in (self.name, self.version) if part)
        return f"{what} from {kind} {namespace}/{name}".strip()


class ValuesFrom(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One place that values come from."""

    kind: str
    """`ConfigMap`, `Secret`, or `ChartFile` of the chart itself."""
    namespace: str = ""
    name: str = ""
    key: str = "values.yaml"
    path: str = ""
    """Of a ChartFile."""
    target_path: str = ""
    """The value is one setting, in the grammar of `--set`; `""`: it is a YAML document."""
    literal: bool = False
    optional: bool = False


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A HelmRelease, its defaults filled in."""

    flavour: str
    """`flux` or `operator`."""
    namespace: str
    name: str
    release_name: str
    target_namespace: str
    storage_namespace: str
    chart: ChartRef
    values: JsonObject = {}
    values_from: tuple[ValuesFrom, ...] = ()
    post_renderers: tuple[JsonObject, ...] = ()
    common_labels: dict[str, str] = {}
    common_annotations: dict[str, str] = {}
    depends_on: tuple[tuple[str, str], ...] = ()
    kube_config: KubeConfig | None = None
    suspend: bool = False
    post_render_hooks: bool = True
    """Post-renderers and common metadata see hooks too, as Helm 4 has it."""
    crds: str = "Create"
    """Of the chart's `crds/`: `Skip`, `Create` (where they are missing) or `CreateReplace`."""
    hooks: tuple[str, ...] = RUN
    """Events of hooks that are run."""
    notes: tuple[str, ...] = ()
    """Fields that a plan treats otherwise than the controller, each with what it means."""


def parse(body: JsonObject) -> Release:
    """The value of a body. Raises ClusterformError naming the wrong field."""
    group = split_api_version(str(body.get("apiVersion", "")))[0]
    return _operator(body) if group == OPERATOR.group else _flux(body)


# ---------------------------------------------------------------------- Flux


def _flux(body: JsonObject) -> Release:
    shape = Shape.of(body, FLUX.group, ("v2", "v2beta2", "v2beta1"))
    spec = shape.part("spec", required=True)
    metadata = shape.part("metadata")
    namespace = metadata.text("namespace", "default")
    name = metadata.text("name", required=True)
    target = spec.text("targetNamespace", namespace)
    common = spec.part("commonMetadata")
    return Release(
        flavour="flux",
        namespace=namespace,
        name=name,
        release_name=shortened(
            spec.text("releaseName")
            or (f"{target}-{name}" if spec.text("targetNamespace") else name)
        ),
        target_namespace=target,
        storage_namespace=spec.text("storageNamespace", namespace),
        chart=_flux_chart(spec, namespace),
        values=spec.part("values").body,
        values_from=tuple(_flux_values(spec, namespace)),
        post_renderers=spec.dicts("postRenderers"),
        common_labels=common.text_map("labels"),
        common_annotations=common.text_map("annotations"),
        depends_on=tuple(
            (one.text("namespace", namespace), one.text("name", required=True))
            for one in spec.parts("dependsOn")
        ),
        kube_config=_kube_config(spec, namespace),
        suspend=spec.flag("suspend"),
        post_render_hooks=spec.text("postRenderStrategy", among=_STRATEGIES) != "nohooks",
        crds=_crds(spec),
        hooks=_hooks(spec),
        notes=tuple(fields.notes(body, flux=True)),
    )


def _crds(spec: Shape) -> str:
    """One policy for install and upgrade: a plan does not know which of them an object will see."""
    install = spec.part("install")
    first = "Skip" if install.flag("skipCRDs") else "Create"
    first = install.text("crds", first, among=_POLICIES)
    later = spec.part("upgrade").text("crds", "Skip", among=_POLICIES)
    if later == "CreateReplace":
        return later
    return "Skip" if first == later == "Skip" else "Create"


def _hooks(spec: Shape) -> tuple[str, ...]:
    off = {name for name in ("install", "upgrade") if spec.part(name).flag("disableHooks")}
    return tuple(event for event in RUN if event.partition("-")[2] not in off)


def shortened(name: str) -> str:
    """A release's name as Flux cuts it: over 53 characters, 40 and 12 hex digits of its SHA-256.

    Source: helm-controller, internal/release/name.go.
    """
    if len(name) <= _LONGEST:
        return name
    return f"{name[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _flux_chart(spec: Shape, namespace: str) -> ChartRef:
    if spec.body.get("chartRef") is not None:
        ref = spec.part("chartRef")
        return ChartRef(
            kind="object",
            source=(
                ref.text("kind", required=True, among=CHART_KINDS),
                ref.text("namespace", namespace),
                ref.text("name", required=True),
            ),
        )
    return of_chart_spec(spec.part("chart", required=True).part("spec", required=True), namespace)


def of_chart_spec(chart: Shape, namespace: str) -> ChartRef:
    """`spec.chart.spec` of a release, or `spec` of a HelmChart."""
    source = chart.part("sourceRef", required=True)
    kind = source.text("kind", required=True, among=SOURCE_KINDS)
    name = chart.text("chart", required=True)
    # v2beta1's `valuesFile` comes before the list (source-controller, HelmChartSpec).
    one_file = (chart.text("valuesFile"),) if chart.text("valuesFile") else ()
    return ChartRef(
        kind="source",
        name=name,
        path=name.removeprefix("./").strip("/"),
        version=chart.text("version", "*"),
        source=(kind, source.text("namespace", namespace), source.text("name", required=True)),
        values_files=(*one_file, *chart.texts("valuesFiles")),
        ignore_missing=chart.flag("ignoreMissingValuesFiles"),
        strategy=chart.text("reconcileStrategy", "ChartVersion"),
    )


def of_helm_chart(body: JsonObject) -> ChartRef:
    """What a HelmChart object names."""
    shape = Shape.of(body, "source.toolkit.fluxcd.io", ("v1", "v1beta2", "v1beta1"))
    namespace = shape.part("metadata").text("namespace", "default")
    return of_chart_spec(shape.part("spec", required=True), namespace)


def _flux_values(spec: Shape, namespace: str) -> Iterator[ValuesFrom]:
    for one in spec.parts("valuesFrom"):
        yield ValuesFrom(
            kind=one.text("kind", required=True, among=("ConfigMap", "Secret")),
            namespace=namespace,
            name=one.text("name", required=True),
            key=one.text("valuesKey", "values.yaml"),
            target_path=one.text("targetPath"),
            literal=one.flag("literal"),
            optional=one.flag("optional"),
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


# ---------------------------------------------------------------------- the Helm Operator


def _operator(body: JsonObject) -> Release:
    shape = Shape.of(body, OPERATOR.group, ("v1",))
    spec = shape.part("spec", required=True)
    metadata = shape.part("metadata")
    namespace = metadata.text("namespace", "default")
    name = metadata.text("name", required=True)
    target = spec.text("targetNamespace")
    if spec.text("helmVersion", "v3") == "v2":
        raise spec.wrong("helmVersion", "v2 needs Tiller: migrate the release to Helm 3")
    parts = [namespace, *([target] if target not in ("", namespace) else []), name]
    release_name = spec.text("releaseName") or "-".join(parts)
    if len(release_name) > _LONGEST:
        raise spec.wrong("releaseName", f"{release_name} has more than {_LONGEST} characters")
    return Release(
        flavour="operator",
        namespace=namespace,
        name=name,
        # types_helmrelease.go, GetReleaseName: not the object's name alone.
        release_name=release_name,
        target_namespace=target or namespace,
        storage_namespace=target or namespace,
        chart=_operator_chart(spec.part("chart", required=True)),
        values=spec.part("values").body,
        values_from=(*_value_file_secrets(spec, namespace), *_operator_values(spec, namespace)),
        crds="Skip" if spec.flag("skipCRDs") else "Create",
        notes=tuple(fields.notes(body, flux=False)),
    )


def _operator_chart(chart: Shape) -> ChartRef:
    if chart.body.get("git") is not None:
        return ChartRef(
            kind="git",
            url=chart.text("git", required=True),
            ref=chart.text("ref", "master"),
            path=chart.text("path").removeprefix("./").strip("/"),
        )
    return ChartRef(
        kind="repository",
        url=chart.text("repository", required=True),
        name=chart.text("name", required=True),
        version=chart.text("version", required=True),
    )


def _value_file_secrets(spec: Shape, namespace: str) -> Iterator[ValuesFrom]:
    """Deprecated, and merged before `valuesFrom`."""
    for one in spec.parts("valueFileSecrets"):
        yield ValuesFrom(kind="Secret", namespace=namespace, name=one.text("name", required=True))


def _operator_values(spec: Shape, namespace: str) -> Iterator[ValuesFrom]:
    for one in spec.parts("valuesFrom"):
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if one.body.get(field) is not None:
                ref = one.part(field)
                yield ValuesFrom(
                    kind=kind,
                    namespace=ref.text("namespace", namespace),
                    name=ref.text("name", required=True),
                    key=ref.text("key", "values.yaml"),
                    optional=ref.flag("optional"),
                )
        if one.body.get("chartFileRef") is not None:
            ref = one.part("chartFileRef")
            yield ValuesFrom(
                kind="ChartFile",
                path=ref.text("path", required=True),
                optional=ref.flag("optional"),
            )
        if one.body.get("externalSourceRef") is not None:
            raise one.wrong(
                "externalSourceRef", "a plan reads nothing over the network: put the file into Git"
            )

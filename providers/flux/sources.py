"""Flux's sources as values, and which folder of the fleet's `sources` map stands for one.

Read: source-controller/api v1.9.0 (v1, v1beta2) and its v1beta1 by the same field names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from providers.flux.shape import Shape
from state.resource import JsonObject, split_api_version

GROUP = "source.toolkit.fluxcd.io"
VERSIONS = ("v1", "v1beta2", "v1beta1")
KINDS = (
    "GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket", "ExternalArtifact",
)  # fmt: skip


class SourceRevision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Which revision is asked for; what is `""` is not said. Flux prefers the last that is."""

    branch: str = ""
    tag: str = ""
    semver: str = ""
    name: str = ""
    commit: str = ""
    digest: str = ""
    semver_filter: str = ""

    @property
    def pinned(self) -> bool:
        """It can never mean anything else."""
        return bool(self.commit or self.digest)


class Included(msgspec.Struct, frozen=True, gc=False):
    """Another GitRepository of the namespace whose files are copied into this one."""

    repository: str
    from_path: str
    to_path: str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One source object."""

    kind: str
    namespace: str
    name: str
    api_version: str
    url: str = ""
    """Of a Bucket `s3://endpoint/bucket/prefix`, whatever its provider; `""` for the kinds that
    name another source (HelmChart) or none (ExternalArtifact)."""
    revision: SourceRevision = SourceRevision()
    ignore: str | None = None
    """`spec.ignore`: rules of `.sourceignore` on top of the files; None where it is not set."""
    include: tuple[Included, ...] = ()
    sparse_checkout: tuple[str, ...] = ()
    recurse_submodules: bool = False
    suspend: bool = False
    verified: bool = False
    """Flux takes it only with a valid signature; not checked here."""
    type: str = ""
    """Of a HelmRepository: `default` or `oci`."""
    chart: str = ""
    """Of a HelmChart: a chart's name, or its path in a Git repository or bucket."""
    version: str = ""
    source: tuple[str, str] | None = None
    """Of a HelmChart and an ExternalArtifact: kind and name of what it is made from."""
    reconcile_strategy: str = ""
    values_files: tuple[str, ...] = ()
    ignore_missing_values_files: bool = False
    layer_media_type: str = ""
    layer_operation: str = ""
    unsupported: tuple[str, ...] = ()
    """Fields of `spec` that clusterform does not know."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace and name: what a `sourceRef` says."""
        return self.kind, self.namespace, self.name


_ACCESS = frozenset(
    ("secretRef", "provider", "serviceAccountName", "interval", "timeout", "verify",
     "proxySecretRef", "certSecretRef", "passCredentials", "insecure", "accessFrom", "sts",
     "region", "gitImplementation", "suspend")
)  # fmt: skip
"""How a source is reached and how often: not what is in it."""
_CONTENT: dict[str, frozenset[str]] = {
    "GitRepository": frozenset(
        ("url", "ref", "ignore", "include", "sparseCheckout", "recurseSubmodules")
    ),
    "OCIRepository": frozenset(("url", "ref", "ignore", "layerSelector")),
    "HelmRepository": frozenset(("url", "type")),
    "HelmChart": frozenset(
        ("chart", "version", "sourceRef", "reconcileStrategy", "valuesFiles", "valuesFile",
         "ignoreMissingValuesFiles")
    ),
    "Bucket": frozenset(("endpoint", "bucketName", "prefix", "ignore")),
    "ExternalArtifact": frozenset(("sourceRef",)),
}  # fmt: skip


def is_source(body: JsonObject) -> bool:
    """One of the kinds that `read` knows, of any version."""
    api_version = body.get("apiVersion")
    known = isinstance(api_version, str) and split_api_version(api_version)[0] == GROUP
    return known and body.get("kind") in KINDS


def read(body: JsonObject, default_namespace: str = "default") -> Source:
    """The value of a body. Raises ClusterformError('flux-field') that names the wrong field."""
    shape = Shape.of(body, GROUP, VERSIONS)
    kind = shape.text("kind", required=True, among=KINDS)
    metadata, spec = shape.part("metadata"), shape.part("spec")
    ref, layer = spec.part("ref"), spec.part("layerSelector")
    made_from = spec.part("sourceRef", required=kind == "HelmChart")
    return Source(
        kind=kind,
        namespace=metadata.text("namespace", default_namespace),
        name=metadata.text("name", required=True),
        api_version=str(body["apiVersion"]),
        url=_url(kind, spec),
        revision=SourceRevision(
            branch=ref.text("branch"),
            tag=ref.text("tag"),
            semver=ref.text("semver"),
            name=ref.text("name"),
            commit=ref.text("commit"),
            digest=ref.text("digest"),
            semver_filter=ref.text("semverFilter"),
        ),
        ignore=spec.text("ignore") if spec.body.get("ignore") is not None else None,
        include=tuple(_included(one) for one in spec.parts("include")),
        sparse_checkout=spec.texts("sparseCheckout"),
        recurse_submodules=spec.flag("recurseSubmodules"),
        suspend=spec.flag("suspend"),
        verified=spec.body.get("verify") is not None,
        type=spec.text("type", "default") if kind == "HelmRepository" else "",
        chart=spec.text("chart", required=kind == "HelmChart"),
        version=spec.text("version"),
        source=(made_from.text("kind"), made_from.text("name")) if made_from.body else None,
        reconcile_strategy=spec.text(
            "reconcileStrategy", "ChartVersion" if kind == "HelmChart" else ""
        ),
        values_files=spec.texts("valuesFiles"),
        ignore_missing_values_files=spec.flag("ignoreMissingValuesFiles"),
        layer_media_type=layer.text("mediaType"),
        layer_operation=layer.text("operation"),
        unsupported=tuple(sorted(set(spec.body) - _ACCESS - _CONTENT[kind])),
    )


def _url(kind: str, spec: Shape) -> str:
    if kind in ("HelmChart", "ExternalArtifact"):
        return ""
    if kind == "Bucket":
        parts = (
            spec.text("endpoint", required=True),
            spec.text("bucketName", required=True),
            spec.text("prefix"),
        )
        return "s3://" + "/".join(part.strip("/") for part in parts if part)
    return spec.text("url", required=True)


def _included(one: Shape) -> Included:
    name = one.part("repository", required=True).text("name", required=True)
    return Included(name, one.text("fromPath"), one.text("toPath", name))


_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.*)")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[^@/]*@)?(.*)", re.IGNORECASE)
_PORTS = {"https": ":443", "http": ":80", "ssh": ":22"}


def normal_url(url: str) -> str:
    """`host/path` of a repository, the same for ssh, https and scp forms; `oci:` stays apart.

    User names, default ports, `.git`, trailing slashes and the case of the host do not count.
    """
    text = url.strip()
    kind = ""
    found = _SCHEME.fullmatch(text)
    if found:
        scheme, rest = found[1].lower(), found[2]
        kind = f"{scheme}:" if scheme in ("oci", "s3") else ""
    else:
        scheme = "ssh"
        scp = _SCP.fullmatch(text)
        rest = f"{scp[1]}/{scp[2].lstrip('/')}" if scp else text
    host, _, path = rest.partition("/")
    host = host.lower().removesuffix(_PORTS.get(scheme, "\0"))
    path = "/".join(part for part in path.split("/") if part).removesuffix(".git")
    return f"{kind}{host}/{path}" if path else f"{kind}{host}"


def local_folder(url: str, sources: Mapping[str, str]) -> tuple[str, str] | None:
    """The folder that stands for a URL, and the path below it; None where no entry fits.

    `sources` maps URLs to folders as `fleet.yaml` has them. An entry fits the same URL, and every
    URL below it: with `https://h/charts: ../charts`, `https://h/charts/aws.git` is
    (`../charts`, `aws`). The longest entry wins; of two spellings of one URL the first.
    """
    wanted = normal_url(url)
    best: tuple[int, str, str] | None = None
    for entry, folder in sources.items():
        known = normal_url(entry)
        if wanted != known and not wanted.startswith(f"{known}/"):
            continue
        if best is None or len(known) > best[0]:
            best = (len(known), folder, wanted[len(known) + 1 :])
    return None if best is None else (best[1], best[2])

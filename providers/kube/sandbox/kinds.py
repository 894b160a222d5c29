"""Which kinds a server serves: the built-in table and the CRDs that were applied to it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from providers.kube.sandbox.builtin_core import CORE, METADATA
from providers.kube.sandbox.builtin_others import APPS, EXTENSION, POLICY
from providers.kube.sandbox.builtin_types import TypeTable
from providers.kube.sandbox.schema import ANY, Schema, compile_openapi
from state.resource import GroupKind, JsonObject, canonical

_TYPES = TypeTable(METADATA, CORE, APPS, POLICY, EXTENSION)

_BUILT_IN = """
"" v1 Namespace namespaces - status,finalize -
"" v1 ConfigMap configmaps n - -
"" v1 Secret secrets n - -
"" v1 ServiceAccount serviceaccounts n - -
"" v1 Service services n status -
"" v1 Node nodes - status -
"" v1 Pod pods n status g
"" v1 PersistentVolume persistentvolumes - status -
"" v1 PersistentVolumeClaim persistentvolumeclaims n status -
"" v1 Event events n - -
apps v1 Deployment deployments n status,scale g
apps v1 DaemonSet daemonsets n status g
apps v1 StatefulSet statefulsets n status,scale g
apps v1 ReplicaSet replicasets n status,scale g
batch v1 Job jobs n status g
batch v1 CronJob cronjobs n status g
rbac.authorization.k8s.io v1 Role roles n - -
rbac.authorization.k8s.io v1 RoleBinding rolebindings n - -
rbac.authorization.k8s.io v1 ClusterRole clusterroles - - -
rbac.authorization.k8s.io v1 ClusterRoleBinding clusterrolebindings - - -
networking.k8s.io v1 NetworkPolicy networkpolicies n - g
networking.k8s.io v1 Ingress ingresses n status g
policy v1 PodDisruptionBudget poddisruptionbudgets n status g
storage.k8s.io v1 StorageClass storageclasses - - -
scheduling.k8s.io v1 PriorityClass priorityclasses - - 1
autoscaling v2 HorizontalPodAutoscaler horizontalpodautoscalers n status -
coordination.k8s.io v1 Lease leases n - -
apiextensions.k8s.io v1 CustomResourceDefinition customresourcedefinitions - status g
apiregistration.k8s.io v1 APIService apiservices - status -
admissionregistration.k8s.io v1 MutatingWebhookConfiguration mutatingwebhookconfigurations - - g
admissionregistration.k8s.io v1 ValidatingWebhookConfiguration validatingwebhookconfigurations - - g
admissionregistration.k8s.io v1 ValidatingAdmissionPolicy validatingadmissionpolicies - status g
admissionregistration.k8s.io v1 ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings
  - - g
"""

_SHOWN_DELETED = frozenset(
    (
        *("Namespace", "PersistentVolume", "PersistentVolumeClaim", "Pod", "Service"),
        *("ServiceAccount", "StorageClass"),
    )
)
_MADE_BY_PUT = frozenset(
    ("ClusterRole", "ClusterRoleBinding", "Event", "Lease", "Role", "RoleBinding", "Service")
)

_SAME_TYPE = {"ClusterRoleBinding": "RoleBinding"}

UNLISTED_GROUPS = frozenset(
    (
        *("", "apps", "batch", "autoscaling", "policy", "events.k8s.io", "discovery.k8s.io"),
        *("networking.k8s.io", "storage.k8s.io", "rbac.authorization.k8s.io", "node.k8s.io"),
        *("coordination.k8s.io", "certificates.k8s.io", "scheduling.k8s.io", "resource.k8s.io"),
        *("authentication.k8s.io", "authorization.k8s.io", "flowcontrol.apiserver.k8s.io"),
        *("admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io"),
    )
)
"""Groups of a real server: a resource of theirs that the table lacks is 501, not 404."""


class Kind(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One served version of a kind."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    schema: Schema
    subresources: frozenset[str] = frozenset()
    generation: bool = True
    """Writes to anything but metadata and status count `metadata.generation`."""
    numbered: bool = True
    """New objects have `metadata.generation` 1."""
    custom: bool = False
    versions: frozenset[str] = frozenset()
    """All served apiVersions: entries of managedFields in another one are dropped."""
    storage: str = ""
    """The apiVersion objects are stored in; a switch makes every object due for rewriting."""
    shown_deleted: bool = False
    """DELETE answers with the object, not a Status (`ReturnDeletedObject` in pkg/registry)."""
    made_by_put: bool = False
    """PUT of a missing object creates it (`AllowCreateOnUpdate` in pkg/registry)."""
    scale: JsonObject = {}
    """Paths of the scale subresource of a custom resource."""
    strategy: str = "None"
    ruled: bool = False
    """Its schema has `x-kubernetes-validations`, which are CEL and not evaluated here."""

    @property
    def api_version(self) -> str:
        """`group/version`, or `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> GroupKind:
        """The kind without its version."""
        return GroupKind(self.group, self.kind)

    @property
    def has_status(self) -> bool:
        """Status is written through its own endpoint only."""
        return "status" in self.subresources

    @property
    def text(self) -> str:
        """As Go prints a GroupVersionKind."""
        return f"{self.group}/{self.version}, Kind={self.kind}"


@lru_cache(maxsize=1)
def builtin_kinds() -> dict[tuple[str, str], Kind]:
    """The built-in kinds by (group, plural)."""
    rows = [line.split(" ") for line in _BUILT_IN.strip().replace("\n  ", " ").splitlines()]
    return {(row[0].strip('"'), row[3]): _builtin(*row) for row in rows}


def _builtin(
    group: str, version: str, kind: str, plural: str, scope: str, subresources: str, counted: str
) -> Kind:
    group = group.strip('"')
    api_version = f"{group}/{version}" if group else version
    return Kind(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        namespaced=scope == "n",
        schema=_root(_TYPES[_SAME_TYPE.get(kind, kind)], "ObjectMeta"),
        subresources=frozenset(subresources.split(",")) - {"-"},
        generation=counted == "g",
        numbered=counted in ("g", "1"),
        shown_deleted=kind in _SHOWN_DELETED,
        made_by_put=kind in _MADE_BY_PUT,
        versions=frozenset([api_version]),
        storage=api_version,
    )


def _root(body: Schema, metadata: str) -> Schema:
    text = Schema(type="string")
    fields = {**body.fields, "apiVersion": text, "kind": text, "metadata": _TYPES[metadata]}
    return msgspec.structs.replace(body, type="object", fields=fields)


_RULED = b'"x-kubernetes-validations"'


def custom_kinds(definition: JsonObject) -> list[Kind]:
    """The served versions of an applied CustomResourceDefinition."""
    return list(_custom_kinds(canonical(definition["spec"])))


@lru_cache(maxsize=512)
def _custom_kinds(source: bytes) -> tuple[Kind, ...]:
    spec: JsonObject = msgspec.json.decode(source)
    group = spec["group"]
    served = [v for v in spec["versions"] if v.get("served")]
    stored = next((v["name"] for v in spec["versions"] if v.get("storage")), "")
    shared: dict[str, Any] = {
        "group": group,
        "kind": spec["names"]["kind"],
        "plural": spec["names"]["plural"],
        "namespaced": spec.get("scope") == "Namespaced",
        "custom": True,
        "versions": frozenset(f"{group}/{v['name']}" for v in served),
        "storage": f"{group}/{stored}",
        "strategy": (spec.get("conversion") or {}).get("strategy", "None"),
    }
    return tuple(_version(version, shared) for version in served)


def _version(version: JsonObject, shared: dict[str, Any]) -> Kind:
    source = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    subresources = version.get("subresources") or {}
    body = compile_openapi(source) if source else ANY
    return Kind(
        version=version["name"],
        schema=_root(body, "ObjectMeta"),
        subresources=frozenset(subresources),
        scale=subresources.get("scale") or {},
        ruled=_RULED in canonical(source),
        **shared,
    )

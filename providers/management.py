"""Prerequisites in a management cluster: namespaces, CRDs, provider components, cert-manager.

Also the references of ordinary workloads (service accounts, mounted ConfigMaps and Secrets), which
order the add-ons of workload clusters. Source: k8s.io/api v0.36, pod and RBAC types.
"""

from __future__ import annotations

from providers.base import KindRules, Milestone, RefRule
from state.resource import GroupKind

NAMESPACE = GroupKind("", "Namespace")
CRD = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
DEPLOYMENT = GroupKind("apps", "Deployment")
SECRET = GroupKind("", "Secret")

ESTABLISHED = Milestone(name="established", deadline=60)
SERVING = Milestone(name="available", deadline=600)
EXISTS = Milestone(name="exists", deadline=2100)
COMPLETE = Milestone(name="complete", deadline=300)
"""Of a Job or Pod that is a Helm hook; 300 s is Helm's default timeout."""


def _pod(at: str) -> tuple[RefRule, ...]:
    return (
        RefRule(
            path=f"{at}.serviceAccountName", kind="ServiceAccount", name="", reason="runs as it"
        ),
        RefRule(path=f"{at}.volumes[*].configMap", kind="ConfigMap", reason="mounts it"),
        RefRule(
            path=f"{at}.volumes[*].secret.secretName", kind="Secret", name="", reason="mounts it"
        ),
        RefRule(
            path=f"{at}.containers[*].envFrom[*].configMapRef", kind="ConfigMap", reason="reads it"
        ),
        RefRule(path=f"{at}.containers[*].envFrom[*].secretRef", kind="Secret", reason="reads it"),
    )


_RBAC = "rbac.authorization.k8s.io"
_WORKLOAD = _pod("spec.template.spec")
_JOB_POD = _pod("spec.jobTemplate.spec.template.spec")
_BINDING = (
    RefRule(path="roleRef", reason="binds it"),
    RefRule(path="subjects[*]", reason="binds it", same_namespace=False),
)
_HOOK = (
    RefRule(
        path="webhooks[*].clientConfig.service",
        kind="Service",
        same_namespace=False,
        reason="calls it",
    ),
)
_ADMISSION = "admissionregistration.k8s.io"

KINDS: dict[GroupKind, KindRules] = {
    NAMESPACE: KindRules(always_shared=True, protected=True),
    CRD: KindRules(
        references=(
            RefRule(
                path="spec.conversion.webhook.clientConfig.service",
                kind="Service",
                same_namespace=False,
                reason="converts through it",
            ),
        ),
        always_shared=True,
        protected=True,  # deleting a CRD deletes every object of its kind
        ready=ESTABLISHED,
        immutable=("spec.group", "spec.scope", "spec.names.kind"),
    ),
    DEPLOYMENT: KindRules(
        references=_WORKLOAD,
        immutable=("spec.selector",),
        replaceable=True,
        ready=SERVING,
        defaults=(("spec.replicas", 1),),
    ),
    GroupKind("apps", "StatefulSet"): KindRules(
        references=_WORKLOAD,
        immutable=("spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"),
        defaults=(("spec.replicas", 1),),
    ),
    GroupKind("apps", "DaemonSet"): KindRules(
        references=_WORKLOAD, immutable=("spec.selector",), replaceable=True
    ),
    GroupKind("batch", "Job"): KindRules(
        references=_WORKLOAD, immutable=("spec.template", "spec.selector"), replaceable=True
    ),
    GroupKind("batch", "CronJob"): KindRules(
        references=_pod("spec.jobTemplate.spec.template.spec")
    ),
    GroupKind("", "Pod"): KindRules(references=_pod("spec")),
    GroupKind("", "ConfigMap"): KindRules(),
    SECRET: KindRules(immutable=("type",), replaceable=True),
    GroupKind(_RBAC, "RoleBinding"): KindRules(
        references=_BINDING, immutable=("roleRef",), replaceable=True
    ),
    GroupKind(_RBAC, "ClusterRoleBinding"): KindRules(
        references=_BINDING, immutable=("roleRef",), replaceable=True
    ),
    GroupKind(_ADMISSION, "ValidatingWebhookConfiguration"): KindRules(references=_HOOK),
    GroupKind(_ADMISSION, "MutatingWebhookConfiguration"): KindRules(references=_HOOK),
    GroupKind("storage.k8s.io", "StorageClass"): KindRules(
        immutable=("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
        replaceable=True,
    ),
}

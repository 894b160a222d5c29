"""Kubeadm bootstrap configurations.

Source: Cluster API v1.14.0, api/bootstrap/kubeadm/v1beta2. A KubeadmConfigTemplate accepts edits
that no existing machine ever sees, so it is rotated like every template.
"""

from __future__ import annotations

from providers.base import KindRules, RefRule
from state.resource import GroupKind

GROUP = "bootstrap.cluster.x-k8s.io"


def secret_refs(at: str) -> tuple[RefRule, ...]:
    """Secrets that a kubeadm configuration below `at` reads files and passwords from."""
    return (
        RefRule(
            path=f"{at}.files[*].contentFrom.secret", kind="Secret", reason="reads a file from it"
        ),
        RefRule(
            path=f"{at}.users[*].passwdFrom.secret",
            kind="Secret",
            reason="reads a password from it",
        ),
    )


KINDS: dict[GroupKind, KindRules] = {
    GroupKind(GROUP, "KubeadmConfig"): KindRules(references=secret_refs("spec"), cascaded=True),
    GroupKind(GROUP, "KubeadmConfigTemplate"): KindRules(
        references=secret_refs("spec.template.spec"), template=True, cascaded=True
    ),
}

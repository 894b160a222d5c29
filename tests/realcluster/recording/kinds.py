"""Built-in kinds of the common add-ons and Cluster API's kinds, each applied twice."""

from __future__ import annotations

from typing import Any

import yaml

from tests.realcluster.recording.steps import Body, Case, Step, apply, wait_for

SPEC = "spec: "
_POD = (
    "{metadata: {labels: {app: x}}, spec: {serviceAccountName: x, nodeSelector: "
    "{kubernetes.io/os: linux}, tolerations: [{operator: Exists}], securityContext: "
    "{runAsNonRoot: true}, containers: [{name: c, image: i, args: [--v, '2'], "
    "ports: [{containerPort: 80, name: http}], env: [{name: NODE, valueFrom: {fieldRef: "
    "{fieldPath: spec.nodeName}}}], resources: {requests: {cpu: 100m, memory: 128Mi}}, "
    "livenessProbe: {httpGet: {path: /z, port: http}}, "
    "volumeMounts: [{name: tmp, mountPath: /tmp}]}], volumes: [{name: tmp, emptyDir: {}}]}}"
)
_SELECTOR = "selector: {matchLabels: {app: x}}"
_JOB_POD = "{spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}"
_RULES = "rules: [{apiGroups: [''], resources: [pods], verbs: [get, list]}]"
_HOOK = (
    "webhooks: [{name: a.recorded.test, admissionReviewVersions: [v1], sideEffects: None, "
    "failurePolicy: Ignore, clientConfig: {service: {name: w, namespace: noop, path: /m}}, "
    "rules: [{apiGroups: [recorded.test], apiVersions: [v1], operations: [CREATE], "
    "resources: [things]}]}]"
)
_ROLE = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: %s, name: x}"
_THINGS = (
    "spec: {group: recorded.test, scope: Namespaced, names: {plural: things, kind: Thing}, "
    "versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: "
    "{type: object, properties: {spec: {type: object, properties: {a: {type: string}}}}}}}]}"
)
_PORT = "ports: [{port: 80, targetPort: http}]"
_INFRA = "{apiGroup: infrastructure.cluster.x-k8s.io, kind: DockerCluster, name: x}"
_MACHINES = (
    "{spec: {clusterName: x, version: v1.35.0, bootstrap: {configRef: {apiGroup: "
    "bootstrap.cluster.x-k8s.io, kind: KubeadmConfigTemplate, name: x}}, infrastructureRef: "
    "{apiGroup: infrastructure.cluster.x-k8s.io, kind: DockerMachineTemplate, name: x}}}"
)
_KUBEADM = (
    "{initConfiguration: {nodeRegistration: {kubeletExtraArgs: [{name: v, value: '2'}]}}, "
    "files: [{path: /etc/a, content: a, permissions: '0600'}], preKubeadmCommands: [a, b], "
    "clusterConfiguration: {apiServer: {certSANs: [localhost], "
    "extraArgs: [{name: v, value: '2'}]}}}"
)
NAMESPACED = {
    "Deployment": ("apps/v1", f"spec: {{replicas: 2, {_SELECTOR}, template: {_POD}}}"),
    "DaemonSet": ("apps/v1", f"spec: {{{_SELECTOR}, template: {_POD}}}"),
    "StatefulSet": (
        "apps/v1",
        f"spec: {{serviceName: x, {_SELECTOR}, template: {_POD}, volumeClaimTemplates: "
        "[{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: "
        "{requests: {storage: 1Gi}}}}]}",
    ),
    "Service ClusterIP": ("v1", f"spec: {{selector: {{app: x}}, {_PORT}}}"),
    "Service NodePort": ("v1", f"spec: {{type: NodePort, selector: {{app: x}}, {_PORT}}}"),
    "Service LoadBalancer": ("v1", f"spec: {{type: LoadBalancer, selector: {{a: b}}, {_PORT}}}"),
    "Service ExternalName": ("v1", "spec: {type: ExternalName, externalName: a.example.com}"),
    "Service headless": ("v1", f"spec: {{clusterIP: None, selector: {{app: x}}, {_PORT}}}"),
    "ServiceAccount": (
        "v1",
        "{metadata: {labels: {app: x}}, automountServiceAccountToken: false, "
        "imagePullSecrets: [{name: pull}]}",
    ),
    "ConfigMap": ("v1", "{metadata: {labels: {app: x}}, data: {a: '1', b: \"x\\n\"}}"),
    "ConfigMap immutable": ("v1", "{data: {a: '1'}, immutable: true}"),
    "Secret": ("v1", "{type: Opaque, data: {a: aGk=}}"),
    "Role": ("rbac.authorization.k8s.io/v1", _RULES),
    "RoleBinding": (
        "rbac.authorization.k8s.io/v1",
        f"{{{_ROLE % 'Role'}, subjects: [{{kind: ServiceAccount, name: x, namespace: noop}}]}}",
    ),
    "NetworkPolicy": (
        "networking.k8s.io/v1",
        "spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], "
        "ports: [{port: 80, protocol: TCP}]}]}",
    ),
    "NetworkPolicy without protocol": (
        "networking.k8s.io/v1",
        "spec: {podSelector: {matchLabels: {a: b}}, ingress: [{ports: [{port: 80}]}]}",
    ),
    "PodDisruptionBudget": ("policy/v1", f"spec: {{maxUnavailable: 50%, {_SELECTOR}}}"),
    "HorizontalPodAutoscaler": (
        "autoscaling/v2",
        "spec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: "
        "Deployment, name: x}, metrics: [{type: Resource, resource: {name: cpu, target: "
        "{type: Utilization, averageUtilization: 80}}}]}",
    ),
    "Ingress": (
        "networking.k8s.io/v1",
        "spec: {ingressClassName: x, tls: [{hosts: [a.example.com], secretName: t}], rules: "
        "[{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: "
        "{name: x, port: {name: http}}}}]}}]}",
    ),
    "Job": ("batch/v1", f"spec: {{backoffLimit: 1, template: {_JOB_POD}}}"),
    "CronJob": (
        "batch/v1",
        f"spec: {{schedule: '0 * * * *', jobTemplate: {{spec: {{template: {_JOB_POD}}}}}}}",
    ),
    "Lease": ("coordination.k8s.io/v1", "spec: {holderIdentity: x, leaseDurationSeconds: 15}"),
    "ResourceQuota": ("v1", "spec: {hard: {pods: '10', requests.cpu: 4000m}}"),
    "LimitRange": (
        "v1",
        "spec: {limits: [{type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}}]}",
    ),
    "PersistentVolumeClaim": (
        "v1",
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}",
    ),
    "Cluster": (
        "cluster.x-k8s.io/v1beta2",
        "spec: {clusterNetwork: {pods: {cidrBlocks: [10.0.0.0/8]}}, "
        f"infrastructureRef: {_INFRA}}}",
    ),
    "Cluster v1beta1": (
        "cluster.x-k8s.io/v1beta1",
        "spec: {infrastructureRef: {apiVersion: infrastructure.cluster.x-k8s.io/v1beta1, "
        "kind: DockerCluster, name: x}}",
    ),
    "Cluster with topology": (
        "cluster.x-k8s.io/v1beta2",
        "spec: {topology: {classRef: {name: x}, version: v1.35.0, controlPlane: {replicas: 3}, "
        "workers: {machineDeployments: [{class: w, name: a, replicas: 2}]}, "
        "variables: [{name: n, value: {a: [1, 2]}}]}}",
    ),
    "MachineDeployment": (
        "cluster.x-k8s.io/v1beta2",
        "spec: {clusterName: x, replicas: 3, selector: {matchLabels: {a: b}}, "
        f"template: {_MACHINES}}}",
    ),
    "MachineDeployment with an empty selector": (
        "cluster.x-k8s.io/v1beta2",
        f"spec: {{clusterName: x, replicas: 3, selector: {{}}, template: {_MACHINES}}}",
    ),
    "MachineHealthCheck": (
        "cluster.x-k8s.io/v1beta2",
        "spec: {clusterName: x, selector: {matchLabels: {a: b}}, checks: "
        "{unhealthyNodeConditions: [{type: Ready, status: 'False', timeoutSeconds: 300}]}}",
    ),
    "KubeadmControlPlane": (
        "controlplane.cluster.x-k8s.io/v1beta2",
        "spec: {replicas: 3, version: v1.35.0, machineTemplate: {spec: {infrastructureRef: "
        "{apiGroup: infrastructure.cluster.x-k8s.io, kind: DockerMachineTemplate, name: x}}}, "
        f"kubeadmConfigSpec: {_KUBEADM}}}",
    ),
    "KubeadmConfigTemplate": (
        "bootstrap.cluster.x-k8s.io/v1beta2",
        f"spec: {{template: {{spec: {_KUBEADM}}}}}",
    ),
    "DockerCluster": ("infrastructure.cluster.x-k8s.io/v1beta2", "spec: {}"),
    "DockerMachineTemplate": (
        "infrastructure.cluster.x-k8s.io/v1beta2",
        "spec: {template: {spec: {extraMounts: [{containerPath: /a, hostPath: /b}]}}}",
    ),
    "DevMachineTemplate": (
        "infrastructure.cluster.x-k8s.io/v1beta2",
        "spec: {template: {spec: {backend: {inMemory: {vm: {provisioning: "
        "{startupDuration: 1s}}}}}}}",
    ),
    "ClusterClass": (
        "cluster.x-k8s.io/v1beta2",
        "spec: {infrastructure: {templateRef: {apiVersion: "
        "infrastructure.cluster.x-k8s.io/v1beta2, kind: DockerClusterTemplate, name: x}}, "
        "controlPlane: {templateRef: {apiVersion: controlplane.cluster.x-k8s.io/v1beta2, kind: "
        "KubeadmControlPlaneTemplate, name: x}}, variables: [{name: n, required: true, schema: "
        "{openAPIV3Schema: {type: string, default: a}}}]}",
    ),
    "ClusterResourceSet": (
        "addons.cluster.x-k8s.io/v1beta2",
        "spec: {clusterSelector: {matchLabels: {cni: a}}, resources: [{kind: ConfigMap, name: x}]}",
    ),
}
CLUSTER_SCOPED = {
    "Namespace": ("v1", "metadata: {labels: {pod-security.kubernetes.io/enforce: privileged}}"),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", _RULES),
    "ClusterRole with aggregation": (
        "rbac.authorization.k8s.io/v1",
        "aggregationRule: {clusterRoleSelectors: [{matchLabels: {agg: x}}]}",
    ),
    "ClusterRoleBinding": (
        "rbac.authorization.k8s.io/v1",
        f"{{{_ROLE % 'ClusterRole'}, subjects: [{{kind: Group, name: g}}]}}",
    ),
    "IngressClass": ("networking.k8s.io/v1", "spec: {controller: example.com/ingress}"),
    "StorageClass": (
        "storage.k8s.io/v1",
        "{provisioner: example.com/disk, parameters: {type: ssd}, allowVolumeExpansion: true}",
    ),
    "PriorityClass": ("scheduling.k8s.io/v1", "{value: 1000, description: x}"),
    "MutatingWebhookConfiguration": ("admissionregistration.k8s.io/v1", _HOOK),
    "ValidatingWebhookConfiguration": ("admissionregistration.k8s.io/v1", _HOOK),
    "ValidatingAdmissionPolicy": (
        "admissionregistration.k8s.io/v1",
        "spec: {matchConstraints: {resourceRules: [{apiGroups: [recorded.test], apiVersions: "
        "[v1], operations: [CREATE], resources: [things]}]}, validations: [{expression: 'true'}]}",
    ),
    "RuntimeClass": ("node.k8s.io/v1", "handler: runsc"),
    "CSIDriver": ("storage.k8s.io/v1", "spec: {attachRequired: false, podInfoOnMount: true}"),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", _THINGS),
    "APIService": (
        "apiregistration.k8s.io/v1",
        "spec: {group: recorded-local.test, version: v1, groupPriorityMinimum: 100, "
        "versionPriority: 10}",
    ),
}
_NAMES = {
    "CustomResourceDefinition": "things.recorded.test",
    "APIService": "v1.recorded-local.test",
}
_SETTLES = {"CustomResourceDefinition": "Established", "APIService": "Available"}
"""Kinds whose status the API server itself writes, a moment later: its last word."""


def body(kind: str) -> tuple[str, Body]:
    """apiVersion and body of one of the kinds above."""
    version, text = {**NAMESPACED, **CLUSTER_SCOPED}[kind]
    return version, yaml.safe_load(text)


def case(title: str, of: str, *setup: Step, wanted: Body | None = None) -> Case:
    """A case of one of the kinds above, its body the wanted one unless another is given.

    A step without a body is about the kind's.
    """
    version, content = body(of)
    if wanted is not None:
        setup = tuple({**s, "body": content} if s.get("body", 0) is None else s for s in setup)
    kind = of.partition(" ")[0]
    return Case(
        title,
        version,
        kind,
        content if wanted is None else wanted,
        *setup,
        namespaced=of in NAMESPACED,
        name=_NAMES.get(kind, ""),
    )


def with_(of: str, **changes: Any) -> Body:
    """A kind's body with fields of `spec` changed; None takes one out."""
    content = body(of)[1]
    spec = {**content["spec"], **changes}
    return {**content, "spec": {k: v for k, v in spec.items() if v is not None}}


def _twice(of: str) -> Case:
    settled = (wait_for(_SETTLES[of]),) if of in _SETTLES else ()
    return case(f"{of}, applied twice", of, apply(), *settled)


CASES: tuple[Case, ...] = tuple(_twice(of) for of in (*NAMESPACED, *CLUSTER_SCOPED))

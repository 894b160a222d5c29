"""Each offline rule against a snippet that breaks it and one that keeps it, in both API forms."""

from __future__ import annotations

import pytest
from rulesnippets import cluster, plane, pool, problems, said, together

from providers.versions import Version

E, W = "error", "warning"
OLD_PLANE = """\
apiVersion: controlplane.cluster.x-k8s.io/v1beta1
kind: KubeadmControlPlane
metadata: {{name: c1}}
spec:
  replicas: {replicas}
  version: v1.35.2
  rolloutStrategy: {{type: {type}, rollingUpdate: {{maxSurge: {surge}}}}}
"""
OLD_POOL = """\
apiVersion: cluster.x-k8s.io/v1beta1
kind: MachineDeployment
metadata: {{name: md0}}
spec:
  clusterName: c1
  strategy: {{rollingUpdate: {{maxSurge: {surge}, maxUnavailable: {unavailable}}}}}
  machineNamingStrategy: {{template: "{template}"}}
  template: {{spec: {{clusterName: c1, version: v1.35.2}}}}
"""
CHECK = """\
apiVersion: cluster.x-k8s.io/{version}
kind: MachineHealthCheck
metadata: {{name: mhc}}
spec:
  clusterName: c1
  selector: {selector}
  {timeout}
"""
SET = """\
apiVersion: addons.cluster.x-k8s.io/v1beta2
kind: ClusterResourceSet
metadata: {{name: cni}}
spec:
  clusterSelector: {selector}
  resources: [{{kind: {kind}, name: cni}}]
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {{name: cni}}\ntype: {type}\n"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cni}\n"
AWS = """\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: AWSCluster
metadata: {{name: {name}}}
spec: {spec}
"""
AZURE = """\
apiVersion: infrastructure.cluster.x-k8s.io/v1beta1
kind: AzureCluster
metadata: {{name: {name}}}
spec: {spec}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a, labels: {team: a}}\n"


def with_infra(kind: str, name: str = "c1") -> str:
    group = "apiGroup: infrastructure.cluster.x-k8s.io"
    return f"  infrastructureRef: {{{group}, kind: {kind}, name: {name}}}\n"


def network(pods: str = "10.244.0.0/16", services: str = "10.96.0.0/16") -> str:
    return (
        f"  clusterNetwork: {{pods: {{cidrBlocks: ['{pods}']}},"
        f" services: {{cidrBlocks: ['{services}']}}}}\n"
    )


def identity(kind: str, spec: str) -> str:
    version = "v1alpha1" if "OpenStack" in kind else "v1beta1"
    return (
        f"apiVersion: infrastructure.cluster.x-k8s.io/{version}\nkind: {kind}\n"
        f"metadata: {{name: id}}\nspec: {spec}\n"
    )


def user(kind: str, version: str = "v1beta2", ref: str = "kind: {}Identity") -> str:
    return (
        f"apiVersion: infrastructure.cluster.x-k8s.io/{version}\nkind: {kind}\n"
        f"metadata: {{name: c1}}\nspec: {{identityRef: {{{ref.format(kind)}, name: id}}}}\n"
    )


LONG = "a" * 53
MD = "{matchLabels: {cluster.x-k8s.io/deployment-name: md0}}"
WHOLE = together(cluster(), plane(), pool())
TOPOLOGY = """\
apiVersion: cluster.x-k8s.io/v1beta1
kind: Cluster
metadata: {{name: t}}
spec: {{topology: {{class: small, version: {version}, controlPlane: {{replicas: {replicas}}}}}}}
"""
MANAGED = """\
apiVersion: controlplane.cluster.x-k8s.io/v1beta2
kind: AWSManagedControlPlane
metadata: {name: c1}
spec: {version: v1.34}
"""
EKS = cluster().replace("KubeadmControlPlane", "AWSManagedControlPlane")


CASES: list[tuple[str, str, str, list[str]]] = [
    # V1
    ("a version in full", "V1", plane(), []),
    ("two numbers are no version", "V1", plane("v1.35"), [E]),
    ("a variable is no version", "V1", pool("${VERSION}"), [E]),
    ("a number is no version", "V1", plane("1.35"), [E]),
    ("a version without v differs in every plan", "V1", pool("1.35.2"), [W]),
    ("a version of a topology, v1beta1", "V1", TOPOLOGY.format(version="1.x", replicas=3), [E]),
    ("build metadata is fine", "V1", plane("v1.35.2+vendor.1"), []),
    # V4
    ("workers as new as the control plane", "V4", WHOLE, []),
    ("workers newer", "V4", together(cluster(), plane("v1.34.1"), pool("v1.35.0")), [E]),
    ("workers 4 behind", "V4", together(cluster(), plane("v1.35.1"), pool("v1.31.0")), [E]),
    ("workers 3 behind", "V4", together(cluster(), plane("v1.35.1"), pool("v1.32.0")), []),
    ("a newer patch is no skew", "V4", together(cluster(), plane("v1.35.1"), pool("v1.35.9")), []),
    (
        "v1beta1 references count as well",
        "V4",
        together(cluster(version="v1beta1"), plane("v1.34.1"), pool("v1.35.0")),
        [E],
    ),
    (
        "a pool of machines is not held by preflights",
        "V4",
        together(cluster(), plane("v1.34.1"), pool("v1.35.0", kind="MachinePool")),
        [W],
    ),
    (
        "the check is switched off",
        "V4",
        together(
            cluster(),
            plane("v1.34.1"),
            pool(
                "v1.35.0",
                metadata=", annotations: {machineset.cluster.x-k8s.io/skip-preflight-checks: All}",
            ),
        ),
        [W],
    ),
    ("a managed control plane", "V4", together(EKS, MANAGED, pool("v1.35.0")), [E]),
    ("no control plane at hand", "V4", together(cluster(), pool("v1.35.0")), []),
    # V5
    ("kubeadm joins its own minor", "V5", WHOLE, []),
    ("kubeadm one behind", "V5", together(cluster(), plane("v1.35.1"), pool("v1.34.9")), [W]),
    ("no kubeadm, no skew", "V5", together(EKS, MANAGED, pool("v1.33.0")), []),
    # V7
    ("three", "V7", plane(replicas=3), []),
    ("an even number", "V7", plane(replicas=2), [E]),
    ("none", "V7", plane(replicas=0), [E]),
    ("one", "V7", plane(replicas=1), [W]),
    (
        "one, accepted",
        "V7",
        plane(replicas=1).replace(
            "{name: c1}", "{name: c1, annotations: {clusterform.dev/accepts: 'V1, V7'}}"
        ),
        [],
    ),
    (
        "an even number with external etcd",
        "V7",
        plane(
            replicas=2,
            more="  kubeadmConfigSpec:"
            " {clusterConfiguration: {etcd: {external: {endpoints: [a]}}}}\n",
        ),
        [],
    ),
    ("a topology of none, v1beta1", "V7", TOPOLOGY.format(version="v1.35.0", replicas=0), [E]),
    (
        "a topology of two may have external etcd",
        "V7",
        TOPOLOGY.format(version="v1.35.0", replicas=2),
        [],
    ),
    # V8
    (
        "surge 1",
        "V8",
        plane(more="  rollout: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}\n"),
        [],
    ),
    (
        "surge 2",
        "V8",
        plane(more="  rollout: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 2}}}\n"),
        [E],
    ),
    ("OnDelete", "V8", plane(more="  rollout: {strategy: {type: OnDelete}}\n"), [E]),
    (
        "surge 0 of 3, v1beta1",
        "V8",
        OLD_PLANE.format(replicas=3, type="RollingUpdate", surge=0),
        [],
    ),
    (
        "surge 0 of 1, v1beta1",
        "V8",
        OLD_PLANE.format(replicas=1, type="RollingUpdate", surge=0),
        [E],
    ),
    # V9
    (
        "a tag of CoreDNS",
        "V9",
        plane(more="  kubeadmConfigSpec: {clusterConfiguration: {dns: {imageTag: v1.12.1_v.2}}}\n"),
        [],
    ),
    (
        "no version",
        "V9",
        plane(more="  kubeadmConfigSpec: {clusterConfiguration: {dns: {imageTag: latest}}}\n"),
        [E],
    ),
    # V10
    ("an empty selector is filled", "V10", pool(more="  selector: {}\n"), []),
    ("a selector that misses", "V10", pool(more="  selector: {matchLabels: {pool: a}}\n"), [E]),
    (
        "a selector that matches",
        "V10",
        pool(
            more="  selector: {matchLabels: {pool: a, cluster.x-k8s.io/cluster-name: c1}}\n",
            template="    metadata: {labels: {pool: a}}\n",
        ),
        [],
    ),
    (
        "no number",
        "V10",
        pool(more="  rollout: {strategy: {rollingUpdate: {maxSurge: many}}}\n"),
        [E],
    ),
    (
        "0 and 0",
        "V10",
        pool(more="  rollout: {strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}}\n"),
        [W],
    ),
    ("a name without random", "V10", pool(more="  machineNaming: {template: 'x'}\n"), [E]),
    (
        "v1beta1, clean",
        "V10",
        OLD_POOL.format(surge="25%", unavailable=0, template="x-{{ .random }}"),
        [],
    ),
    (
        "v1beta1, 0 and 0 and no random",
        "V10",
        OLD_POOL.format(surge=0, unavailable=0, template="x"),
        [E, W],
    ),
    (
        "replicas beside the autoscaler",
        "V10",
        pool(
            more="  replicas: 3\n",
            metadata=", annotations:"
            " {cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size: '1',"
            " cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size: '5'}",
        ),
        [W],
    ),
    # V11
    ("a label value", "V11", WHOLE, []),
    ("64 characters", "V11", pool(name="a" * 64), [E]),
    ("a dot at the end", "V11", cluster(name="c1."), [E]),
    ("alike when cut", "V11", together(pool(name=LONG + "a"), pool(name=LONG + "b")), [W]),
    ("long and distinct", "V11", together(pool(name="x" + LONG), pool(name="y" + LONG)), []),
    # V12
    ("apart", "V12", cluster(network()), []),
    ("host bits are tolerated", "V12", cluster(network("10.244.0.1/16")), []),
    ("no range", "V12", cluster(network("10.244.0.0")), [E]),
    ("pods over services, v1beta1", "V12", cluster(network("10.0.0.0/8"), version="v1beta1"), [E]),
    ("IPv6 and IPv4 never meet", "V12", cluster(network("fd00::/48")), []),
    (
        "services in the VPC",
        "V12",
        together(
            cluster(network() + with_infra("AWSCluster")),
            AWS.format(name="c1", spec="{network: {vpc: {cidrBlock: 10.96.0.0/12}}}"),
        ),
        [E],
    ),
    (
        "pods in the VPC may be meant",
        "V12",
        together(
            cluster(network() + with_infra("AWSCluster")),
            AWS.format(name="c1", spec="{network: {vpc: {cidrBlock: 10.244.0.0/12}}}"),
        ),
        [W],
    ),
    (
        "the same pods far apart",
        "V12",
        together(cluster(network()), cluster(network(), name="c2")),
        [],
    ),
    (
        "the same pods, routed",
        "V12",
        together(
            cluster(network(), metadata=", annotations: {clusterform.dev/peers: 'a, b'}"),
            cluster(network(), name="c2", metadata=", annotations: {clusterform.dev/peers: b}"),
        ),
        [W],
    ),
    (
        "the same pods in one VPC",
        "V12",
        together(
            cluster(network() + with_infra("AWSCluster")),
            cluster(network() + with_infra("AWSCluster", "c2"), name="c2"),
            *(AWS.format(name=n, spec="{network: {vpc: {id: vpc-1}}}") for n in ("c1", "c2")),
        ),
        [W],
    ),
    (
        "the same pods across a peering",
        "V12",
        together(
            cluster(network() + with_infra("AzureCluster")),
            cluster(network() + with_infra("AzureCluster", "c2"), name="c2"),
            AZURE.format(name="c1", spec="{networkSpec: {vnet: {name: hub, resourceGroup: g}}}"),
            AZURE.format(
                name="c2",
                spec="{networkSpec: {vnet: {name: spoke, peerings: [{resourceGroup: g,"
                " remoteVnetName: hub}]}}}",
            ),
        ),
        [W],
    ),
    # V13
    (
        "one pool",
        "V13",
        together(WHOLE, CHECK.format(version="v1beta2", selector=MD, timeout="")),
        [],
    ),
    ("nothing selected", "V13", CHECK.format(version="v1beta2", selector="{}", timeout=""), [E]),
    (
        "another cluster's",
        "V13",
        CHECK.format(
            version="v1beta2",
            selector="{matchLabels: {cluster.x-k8s.io/cluster-name: c9}}",
            timeout="",
        ),
        [E],
    ),
    (
        "a pool that is not there",
        "V13",
        together(
            WHOLE, CHECK.format(version="v1beta2", selector="{matchLabels: {a: b}}", timeout="")
        ),
        [W],
    ),
    (
        "the only control-plane machine",
        "V13",
        together(
            cluster(),
            plane(replicas=1),
            pool(),
            CHECK.format(
                version="v1beta2",
                selector="{matchLabels: {cluster.x-k8s.io/cluster-name: c1}}",
                timeout="",
            ),
        ),
        [W],
    ),
    (
        "too short",
        "V13",
        CHECK.format(
            version="v1beta2", selector=MD, timeout="checks: {nodeStartupTimeoutSeconds: 10}"
        ),
        [E],
    ),
    (
        "off",
        "V13",
        CHECK.format(
            version="v1beta2", selector=MD, timeout="checks: {nodeStartupTimeoutSeconds: 0}"
        ),
        [],
    ),
    (
        "too short, v1beta1",
        "V13",
        CHECK.format(version="v1beta1", selector=MD, timeout="nodeStartupTimeout: 20s"),
        [E],
    ),
    (
        "long enough, v1beta1",
        "V13",
        CHECK.format(version="v1beta1", selector=MD, timeout="nodeStartupTimeout: 1m30s"),
        [],
    ),
    # V14
    (
        "a set and its object",
        "V14",
        together(SET.format(selector="{matchLabels: {a: b}}", kind="ConfigMap"), CONFIG_MAP),
        [],
    ),
    (
        "every cluster",
        "V14",
        together(SET.format(selector="{}", kind="ConfigMap"), CONFIG_MAP),
        [E],
    ),
    ("no object", "V14", SET.format(selector="{matchLabels: {a: b}}", kind="ConfigMap"), [W]),
    (
        "a Secret of another type",
        "V14",
        together(
            SET.format(selector="{matchLabels: {a: b}}", kind="Secret"),
            SECRET.format(type="Opaque"),
        ),
        [E],
    ),
    (
        "a Secret of the type",
        "V14",
        together(
            SET.format(selector="{matchLabels: {a: b}}", kind="Secret"),
            SECRET.format(type="addons.cluster.x-k8s.io/resource-set"),
        ),
        [],
    ),
    # V15
    ("one name", "V15", WHOLE, []),
    ("two names", "V15", pool().replace("      clusterName: c1", "      clusterName: c2"), [E]),
    (
        "a label that says otherwise",
        "V15",
        pool(metadata=", labels: {cluster.x-k8s.io/cluster-name: c2}"),
        [W],
    ),
    ("another namespace", "V15", together(cluster(metadata=", namespace: team-b"), pool()), [W]),
    (
        "a reference into another namespace, v1beta1",
        "V15",
        "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\nmetadata: {name: c1}\n"
        "spec: {infrastructureRef: {apiVersion: a/v1, kind: A, name: a, namespace: other}}\n",
        [E],
    ),
    (
        "a reference into its own, v1beta1",
        "V15",
        "apiVersion: cluster.x-k8s.io/v1beta1\nkind: Cluster\nmetadata: {name: c1}\n"
        "spec: {infrastructureRef: {apiVersion: a/v1, kind: A, name: a, namespace: team-a}}\n",
        [],
    ),
    # V22
    (
        "managed by another tool",
        "V22",
        AWS.format(name="c1", spec="{}").replace(
            "{name: c1}", "{name: c1, annotations: {cluster.x-k8s.io/managed-by: terraform}}"
        ),
        [W],
    ),
    ("managed by its provider", "V22", AWS.format(name="c1", spec="{}"), []),
    # V23
    ("v1beta2", "V23", WHOLE, []),
    (
        "v1beta1, once for a file",
        "V23",
        together(
            cluster(version="v1beta1"), OLD_PLANE.format(replicas=3, type="RollingUpdate", surge=1)
        ),
        [W],
    ),
    ("v1beta1 of a provider", "V23", AZURE.format(name="c1", spec="{}"), []),
    ("v1beta1 of another control plane", "V23", MANAGED.replace("v1beta2", "v1beta1"), []),
    # V24
    ("content", "V24", WHOLE, []),
    ("an empty configuration", "V24", plane(more="  kubeadmConfigSpec: {}\n"), [E]),
    (
        "an empty list and an empty text",
        "V24",
        cluster("  clusterNetwork: {serviceDomain: '', pods: {cidrBlocks: []}}\n"),
        [E, E],
    ),
    ("v1beta1 takes it", "V24", cluster("  clusterNetwork: {}\n", version="v1beta1"), []),
    # V25
    (
        "AWS: listed",
        "V25",
        together(
            user("AWSCluster", ref="kind: AWSClusterRoleIdentity"),
            identity("AWSClusterRoleIdentity", "{allowedNamespaces: {list: [team-a]}}"),
        ),
        [],
    ),
    (
        "AWS: not listed",
        "V25",
        together(
            user("AWSCluster", ref="kind: AWSClusterRoleIdentity"),
            identity("AWSClusterRoleIdentity", "{allowedNamespaces: {list: [b]}}"),
        ),
        [E],
    ),
    (
        "AWS: nobody",
        "V25",
        together(
            user("AWSCluster", ref="kind: AWSClusterStaticIdentity"),
            identity("AWSClusterStaticIdentity", "{}"),
        ),
        [E],
    ),
    (
        "AWS: everybody",
        "V25",
        together(
            user("AWSCluster", ref="kind: AWSClusterStaticIdentity"),
            identity("AWSClusterStaticIdentity", "{allowedNamespaces: {}}"),
        ),
        [],
    ),
    (
        "Azure: not listed",
        "V25",
        together(
            user("AzureCluster", "v1beta1"),
            identity("AzureClusterIdentity", "{allowedNamespaces: {list: [b]}}"),
        ),
        [E],
    ),
    (
        "vSphere: selected",
        "V25",
        together(
            NAMESPACE,
            user("VSphereCluster"),
            identity(
                "VSphereClusterIdentity",
                "{allowedNamespaces: {selector: {matchLabels: {team: a}}}}",
            ),
        ),
        [],
    ),
    (
        "vSphere: not selected",
        "V25",
        together(
            NAMESPACE,
            user("VSphereCluster"),
            identity(
                "VSphereClusterIdentity",
                "{allowedNamespaces: {selector: {matchLabels: {team: b}}}}",
            ),
        ),
        [W],
    ),
    (
        "vSphere: an empty selector is everybody",
        "V25",
        together(
            user("VSphereCluster"),
            identity("VSphereClusterIdentity", "{allowedNamespaces: {selector: {}}}"),
        ),
        [],
    ),
    (
        "OpenStack: everybody",
        "V25",
        together(
            user("OpenStackCluster", ref="type: ClusterIdentity"),
            identity("OpenStackClusterIdentity", "{}"),
        ),
        [],
    ),
    (
        "OpenStack: not selected",
        "V25",
        together(
            NAMESPACE,
            user("OpenStackCluster", ref="type: ClusterIdentity"),
            identity(
                "OpenStackClusterIdentity",
                "{namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [b]}]}}",
            ),
        ),
        [W],
    ),
]


@pytest.mark.parametrize(
    ("rule", "text", "expected"), [c[1:] for c in CASES], ids=[f"{c[1]}: {c[0]}" for c in CASES]
)
def test_a_rule(rule: str, text: str, expected: list[str]) -> None:
    assert said(text, rule) == expected


@pytest.mark.parametrize("rule", sorted({c[1] for c in CASES}))
def test_every_rule_has_a_case_that_breaks_it_and_one_that_keeps_it(rule: str) -> None:
    assert {bool(c[3]) for c in CASES if c[1] == rule} == {True, False}


def test_a_problem_names_its_field_and_a_way_out() -> None:
    for _, rule, text, _ in CASES:
        for problem in problems(text):
            if problem.rule == rule:
                assert problem.field, problem
                assert problem.hint, problem


@pytest.mark.parametrize(
    ("core", "version", "expected"),
    [
        (Version(1, 14), "v1.36.0", []),
        (Version(1, 14), "v1.37.0", [W]),
        (Version(1, 14), "v1.30.0", [W]),
        (Version(1, 13, 0), "v1.36.0", [W]),
        (Version(1, 13, 1), "v1.36.0", []),
        (Version(1, 20), "v1.99.0", []),
        (None, "v1.99.0", []),
    ],
)
def test_v6_supported_versions(core: Version | None, version: str, expected: list[str]) -> None:
    assert said(plane(version), "V6", core) == expected

"""What is wrong with a Fleet file is said with line, column and the nearest valid field."""

# ruff: noqa: E501 - a row of a table is one line

import pytest

from planner.fleetfile import implied_fleet, read_fleet, read_providers
from state.desired import FleetSpec, Guards, IgnoreRule, ManagementSpec, ProviderSpec
from state.resource import GroupKind

PATHS = {"clusters", "providers.yaml", "components", "one.yaml"}


def exists(path: str) -> bool:
    return path in PATHS


def messages(findings) -> str:
    lines = []
    for found in findings:
        lines.append(f"{found.where} [{found.code}] {found.summary}")
        if found.hint:
            lines.append(f"  {found.hint}")
    return "\n".join(lines)


def fleet(spec: str, head: str = "") -> tuple[FleetSpec, str]:
    head = head or "apiVersion: clusterform.dev/v1\nkind: Fleet\nmetadata: {name: acme}\n"
    found, findings = read_fleet((head + spec).encode(), "clusterform.yaml", exists)
    return found, messages(findings)


GOOD = """\
spec:
  management:
    - name: mgmt-eu
      paths: [clusters, ./one.yaml]
      providers: providers.yaml
      sandbox: {}
  guards: {destroyClusters: allow, maxClustersChanged: 3, maxMachinesReplaced: 4, maxDeletesPercent: 50}
  ignore:
    - {kind: MachineDeployment, paths: [/spec/replicas, /metadata/labels/a~1b, /x/0], when: autoscaler-annotations}
"""


def test_a_complete_fleet_file() -> None:
    found, errors = fleet(GOOD)
    assert errors == ""
    assert found == FleetSpec(
        name="acme",
        path="clusterform.yaml",
        management=(
            ManagementSpec(
                name="mgmt-eu", paths=("clusters", "one.yaml"), providers="providers.yaml"
            ),
        ),
        guards=Guards(
            destroy_clusters="allow",
            max_clusters_changed=3,
            max_machines_replaced=4,
            max_deletes_percent=50,
        ),
        ignore=(
            IgnoreRule(
                kind="MachineDeployment",
                paths=(
                    ("f:spec", "f:replicas"),
                    ("f:metadata", "f:labels", "f:a/b"),
                    ("f:x", "i:0"),
                ),
                when="autoscaler-annotations",
            ),
        ),
    )
    assert found.ignore[0].matches(GroupKind("cluster.x-k8s.io", "MachineDeployment"))
    assert not found.ignore[0].matches(GroupKind("cluster.x-k8s.io", "MachinePool"))


def test_guards_and_ignore_have_defaults() -> None:
    found, errors = fleet("spec:\n  management: [{name: m, paths: [clusters], sandbox: {}}]\n")
    assert errors == ""
    guards = found.guards
    assert (guards.destroy_clusters, guards.max_clusters_changed) == ("deny", None)
    assert (guards.max_machines_replaced, guards.max_deletes_percent) == (200, 5)
    assert found.ignore == ()


MISTAKES = {
    "unknown field": (
        "spec:\n  managment: []\n  management: [{name: m, paths: [clusters], sandbox: {}}]\n",
        'clusterform.yaml:5:3 [unknown-field] unknown field "managment" in Fleet spec\n'
        '  did you mean "management"?',
    ),
    "unknown field of an entry": (
        "spec:\n  management:\n    - name: m\n      paths: [clusters]\n      infra: x\n      sandbox: {}\n",
        'clusterform.yaml:8:7 [unknown-field] unknown field "infra" in Fleet spec.management[0]\n'
        "  valid here: name, paths, providers, gitops, mode, readKubeconfigSecret, sandbox, context, inCluster",
    ),
    "not yet": (
        "spec:\n  waves: []\n  management:\n    - {name: m, paths: [clusters], kind: {}}\n"
        "    - {name: o, paths: [clusters], sandbox: {}, mode: gitops}\n",
        "clusterform.yaml:5:3 [not-yet] not supported yet: Fleet spec.waves\n"
        "clusterform.yaml:7:36 [not-yet] not supported yet: Fleet spec.management[0].kind\n"
        "clusterform.yaml:8:49 [not-yet] not supported yet: mode gitops",
    ),
    "no target": (
        "spec:\n  management:\n    - {name: m, paths: [clusters]}\n",
        "clusterform.yaml:6:7 [no-target] a management cluster needs one of `context`,"
        " `inCluster: {}`, `sandbox: {}`\n"
        "  `context: NAME` is a context of your kubeconfig; `sandbox: {}` the built-in cluster",
    ),
    "two targets": (
        "spec:\n  management:\n    - {name: m, paths: [clusters], context: a, sandbox: {}}\n",
        "clusterform.yaml:6:7 [two-targets] a management cluster needs one of `context`,"
        " `inCluster: {}`, `sandbox: {}`, not sandbox and context\n"
        "  `context: NAME` is a context of your kubeconfig; `sandbox: {}` the built-in cluster",
    ),
    "a Secret for all clusters": (
        "spec:\n  management:\n    - {name: m, paths: [clusters], context: a, readKubeconfigSecret: x}\n",
        "clusterform.yaml:6:48 [wrong-type] Fleet spec.management[0].readKubeconfigSecret does not"
        " say where the cluster's name goes\n"
        '  write it as "{cluster}-reader-kubeconfig"',
    ),
    "same name": (
        "spec:\n  management:\n    - {name: m, paths: [clusters], sandbox: {}}\n"
        "    - {name: m, paths: [clusters], sandbox: {}}\n",
        'clusterform.yaml:7:7 [duplicate] two of "m": management cluster',
    ),
    "paths": (
        "spec:\n  management:\n    - name: m\n      sandbox: {}\n"
        "      paths: [../x, /etc, nowhere, 7, a/../../b]\n",
        "clusterform.yaml:8:15 [outside] Fleet spec.management[0].paths[0] leads out of the fleet's folder\n"
        "clusterform.yaml:8:21 [outside] Fleet spec.management[0].paths[1] leads out of the fleet's folder\n"
        "clusterform.yaml:8:27 [no-such-path] Fleet spec.management[0].paths[2] does not exist: nowhere\n"
        "  paths are relative to the fleet's root; links are not followed\n"
        "clusterform.yaml:8:36 [wrong-type] Fleet spec.management[0].paths[3] is not a path\n"
        "clusterform.yaml:8:39 [outside] Fleet spec.management[0].paths[4] leads out of the fleet's folder",
    ),
    "missing things": (
        "spec:\n  management:\n    - {sandbox: {}}\n",
        "clusterform.yaml:6:7 [missing] Fleet spec.management[0].name is missing\n"
        "clusterform.yaml:6:7 [missing] Fleet spec.management[0].paths is missing",
    ),
    "no management": (
        "spec: {management: []}\n",
        "clusterform.yaml:4:1 [no-management] the Fleet has no management cluster",
    ),
    "types": (
        "spec:\n  management: {a: b}\n  guards: {maxClustersChanged: many, destroyClusters: denny}\n  ignore: 3\n",
        "clusterform.yaml:5:3 [wrong-type] Fleet spec.management is not a list\n"
        "clusterform.yaml:4:1 [no-management] the Fleet has no management cluster\n"
        "clusterform.yaml:7:3 [wrong-type] Fleet spec.ignore is not a list\n"
        'clusterform.yaml:6:38 [unknown-value] unknown value "denny" of Fleet spec.guards.destroyClusters\n'
        '  did you mean "deny"?\n'
        "clusterform.yaml:6:12 [wrong-type] maxClustersChanged is not a whole number from 0",
    ),
    "ignore": (
        "spec:\n  management: [{name: m, paths: [clusters], sandbox: {}}]\n  ignore:\n"
        "    - {kind: A, paths: [spec.replicas], when: sometimes}\n",
        "clusterform.yaml:7:25 [wrong-type] not a JSON pointer\n"
        "  write it as /spec/replicas\n"
        'clusterform.yaml:7:41 [unknown-value] unknown value "sometimes" of Fleet spec.ignore[0].when\n'
        "  valid here: autoscaler-annotations",
    ),
    "a number as name": (
        "spec:\n  management: [{name: 12, paths: [clusters], sandbox: {}}]\n",
        "clusterform.yaml:5:17 [wrong-type] Fleet spec.management[0].name is not a text; quote it",
    ),
    "sandbox with content": (
        "spec:\n  management: [{name: m, paths: [clusters], sandbox: {size: 3}}]\n",
        'clusterform.yaml:5:55 [unknown-field] unknown field "size" in Fleet spec.management[0].sandbox\n'
        "  nothing is valid here",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_place(name: str) -> None:
    spec, expected = MISTAKES[name]
    assert fleet(spec)[1] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "clusterform.yaml [not-one-document] expected one document of kind Fleet"),
        ("a: [", "clusterform.yaml:2:1 [yaml-syntax] not YAML: did not find expected node content"),
        (
            "apiVersion: clusterform.dev/v2\nkind: Fleet\n",
            "clusterform.yaml:2:1 [wrong-kind] expected apiVersion clusterform.dev/v1 and kind Fleet",
        ),
        (
            "kind: Fleet\n---\nkind: Fleet\n",
            "clusterform.yaml:1:1 [not-one-document] expected one document of kind Fleet",
        ),
        (
            "apiVersion: clusterform.dev/v1\nkind: Fleet\nspec: {}\nspec: {}\n",
            "clusterform.yaml:4:1 [yaml-duplicate-key] the key 'spec' stands twice in the same mapping\n"
            "  remove one: kubectl would silently take the last",
        ),
    ],
)
def test_a_file_that_is_no_fleet(text: str, expected: str) -> None:
    assert messages(read_fleet(text.encode(), "clusterform.yaml", exists)[1]) == expected


def test_a_folder_without_a_fleet_file_is_a_fleet() -> None:
    found = implied_fleet("shop")
    assert (found.name, found.path) == ("shop", "")
    assert found.management == (ManagementSpec(name="sandbox", paths=(".",)),)


PROVIDERS = """\
apiVersion: clusterform.dev/v1
kind: Providers
providers:
  - {name: docker, type: InfrastructureProvider, version: v1.11.0, path: components}
  - {name: cluster-api, type: CoreProvider, version: v1.11.0, path: one.yaml}
"""


def test_the_providers_file() -> None:
    found, findings = read_providers(PROVIDERS.encode(), "providers.yaml", exists, "m")
    assert findings == []
    assert [provider.tag for provider in found] == ["infrastructure-docker", "cluster-api"]
    assert found[0] == ProviderSpec(
        management="m",
        name="docker",
        type="InfrastructureProvider",
        version="v1.11.0",
        path="components",
    )


def test_mistakes_of_the_providers_file() -> None:
    content = PROVIDERS.replace("CoreProvider", "Core").replace(
        "v1.11.0, path: comp", "1.1, pth: comp"
    )
    found = read_providers(content.encode(), "providers.yaml", exists, "m")[1]
    assert messages(found) == (
        'providers.yaml:4:64 [unknown-field] unknown field "pth" in Providers providers[0]\n'
        '  did you mean "path"?\n'
        "providers.yaml:4:50 [wrong-type] Providers providers[0].version is not a text; quote it\n"
        "providers.yaml:4:5 [wrong-type] Providers providers[0].path is not a path\n"
        'providers.yaml:5:25 [unknown-value] unknown value "Core" of Providers providers[1].type\n'
        '  did you mean "CoreProvider"?'
    )

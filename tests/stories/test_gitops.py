"""Repositories as Flux and Helm read them, on the sandbox: planned, applied, changed, deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from planner.changes import Plan
from state.errors import ClusterformError
from tests.support.lab import Lab

EXAMPLES = Path(__file__).parents[2] / "examples"


def lab_of(root: Path, example: str) -> Lab:
    shutil.copytree(
        EXAMPLES / example, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".clusterform")
    )
    lab = Lab(root, fleet=(root / "clusterform.yaml").read_text())
    lab.commit()
    return lab


def said(plan: Plan) -> list[str]:
    return [f.summary for f in plan.findings if f.kind not in ("warning", "skipped", "handed-over")]


def machines(plan: Plan) -> dict[str, int]:
    """What happens to machines, over all changes."""
    total = {"replaced": 0, "added": 0, "removed": 0, "destroyed": 0}
    for change in plan.changes:
        for name in total:
            total[name] += getattr(change.impact, name)
    return {name: count for name, count in total.items() if count}


@pytest.mark.parametrize("example", ["flux-v1", "flux-v2", "blueprints"])
def test_an_example_comes_up_and_stays(tmp_path: Path, example: str) -> None:
    lab = lab_of(tmp_path, example)
    plan = lab.plan()
    assert said(plan) == []
    lab.converge()
    assert lab.plan().changes == ()


def test_a_pull_request_scales_upgrades_and_deletes_a_release(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.converge()
    production = "clusters/production/shop.yaml"

    lab.edit(production, ("count: 3}", "count: 4}"))
    scaled = lab.plan()
    assert machines(scaled) == {"added": 1}
    assert [c.release.text for c in scaled.changes if c.release] == [
        "HelmRelease shop/shop-production"
    ]
    lab.apply(scaled)

    lab.edit(production, ("kubernetesVersion: v1.35.2", "kubernetesVersion: v1.35.3"))
    upgraded = lab.plan()
    assert machines(upgraded) == {"replaced": 12}
    lab.apply(upgraded)
    assert lab.plan().changes == ()

    lab.remove("clusters/local/shop-local.yaml")
    refused = lab.plan()
    assert any("shop-local is not in Git any more" in text for text in said(refused))
    allowed = lab.plan(allow_destroy=("shop/shop-local",))
    assert machines(allowed) == {"destroyed": 5}
    lab.apply(allowed)
    assert lab.plan().changes == ()


def test_a_shared_chart_changes_all_of_its_releases(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v2")
    lab.converge()
    lab.edit("charts/dev-cluster/templates/control-plane.yaml", ('value: "50"', 'value: "60"'))
    lab.edit("charts/dev-cluster/Chart.yaml", ("version: 1.4.0", "version: 1.4.1"))
    plan = lab.plan()
    assert machines(plan) == {"replaced": 4}
    assert {c.release.version for c in plan.changes if c.release} == {"1.4.1"}


def test_a_suspended_release_has_no_effect_and_says_how_many_changes_wait(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.converge()
    dev = "clusters/dev/shop-dev.yaml"
    lab.edit(dev, ("count: 2}", "count: 5}"), ("  chart:\n", "  suspend: true\n  chart:\n"))
    lab.edit(dev, ("helm.fluxcd.io/v1", "helm.toolkit.fluxcd.io/v2"))
    lab.edit(
        dev,
        (
            "    git: ssh://git@git.example.org/acme/charts\n    ref: main\n"
            "    path: aws-cluster\n",
            "    spec:\n      chart: aws-cluster\n"
            "      sourceRef: {kind: HelmRepository, name: charts}\n",
        ),
    )
    lab.write(
        "clusters/source.yaml",
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\n"
        "metadata: {name: charts, namespace: shop}\n"
        "spec: {url: 'https://git.example.org/acme/charts'}\n",
    )
    plan = lab.plan()
    assert plan.changes == ()
    assert said(plan) == [
        "HelmRelease shop/shop-dev is suspended: no effect until resumed, 1 change held back"
    ]


def test_what_helm_would_uninstall_is_refused_with_its_machines(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    local = "clusters/local/shop-local.yaml"
    fixed = ("namespace: {{ .Release.Namespace }}", "namespace: shop")
    for name in ("cluster", "control-plane", "workers"):
        path = f"charts/dev-cluster/templates/{name}.yaml"
        text = (tmp_path / path).read_text()
        lab.write(path, text.replace(*fixed).replace("{{ $.Release.Namespace }}", "shop"))
    lab.converge()
    lab.edit(local, ("  releaseName:", "  targetNamespace: other\n  releaseName:"))
    plan = lab.plan()
    assert [r.summary for r in plan.refusals] == [
        "HelmRelease shop/shop-local: targetNamespace shop → other, storageNamespace shop → other:"
        " Helm would uninstall and install again and so destroy Cluster shop/shop-local"
        " (5 machines)"
    ]
    assert lab.plan(allow_destroy=("HelmRelease/shop/shop-local",)).refusals == ()


def test_what_leaves_a_kustomization_without_prune_stays(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v2")
    shop = "clusters/mgmt/shop.yaml"
    lab.edit(shop, ("prune: true", "prune: false"))
    lab.converge()
    text = (tmp_path / "profiles/base/logging.yaml").read_text()
    lab.write("profiles/base/logging.yaml", text.partition("---\napiVersion: v1\nkind: Config")[0])
    plan = lab.plan()
    assert [c.verb for c in plan.changes] == []
    kept = [f.summary for f in plan.findings if f.kind == "kept"]
    assert "Kustomization shop/shop-dev-base removes nothing" in kept[0]


def test_profiles_come_in_their_order(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "blueprints")
    plan = lab.plan()
    gate = "mgmt/team-a/shop-prod profile cni ready"
    before = {str(e.before) for e in plan.graph.edges if e.after == gate}
    after = {str(e.after) for e in plan.graph.edges if e.before == gate}
    assert any("cni-config" in text for text in before)
    assert any("fluent-bit" in text for text in after)


def test_a_value_from_a_secret_is_in_no_plan_and_reaches_the_cluster(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write(
        "clusters/local/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: local-values, namespace: shop}\n"
        "stringData:\n  values.yaml: |\n    labels: {token: hush-hush-4711}\n",
    )
    lab.edit(
        "clusters/local/shop-local.yaml",
        ("  values:\n", "  valuesFrom:\n    - secretKeyRef: {name: local-values}\n  values:\n"),
    )
    text = (tmp_path / "charts/dev-cluster/templates/cluster.yaml").read_text()
    lab.write(
        "charts/dev-cluster/templates/cluster.yaml",
        text.replace("  labels: {{-", "  annotations: {{-"),
    )
    plan = lab.plan()
    assert b"hush-hush" not in msgspec.json.encode(plan)
    lab.converge()
    live = lab.list("/apis/cluster.x-k8s.io/v1beta2/namespaces/shop/clusters")
    found = {c["metadata"]["name"]: c["metadata"].get("annotations", {}) for c in live}
    assert found["shop-local"]["token"] == "hush-hush-4711"
    assert lab.plan().changes == ()


def test_a_source_that_nothing_maps_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.edit("clusterform.yaml", ("ssh://git@git.example.org/acme/charts", "https://other/x"))
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert "nothing says where ssh://git@git.example.org/acme/charts is found" in str(caught.value)


KUSTOMIZED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "${cluster_name}-notes", namespace: "${cluster_namespace}"}
data: {region: "${region}", nodes: "n-${nodes}"}
"""
TEMPLATED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "${CLUSTER_NAME}-plain", namespace: "${NAMESPACE}"}
data: {region: "${REGION:=nowhere}"}
"""


def test_blueprints_are_kustomize_folders_and_clusterctl_templates_too(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "blueprints")
    lab.write("bp/base/kustomization.yaml", "resources: [notes.yaml]\n")
    lab.write("bp/base/notes.yaml", KUSTOMIZED)
    lab.write("bp/eu/kustomization.yaml", "resources: [../base]\nnamePrefix: eu-\n")
    lab.write("bp/template.yaml", TEMPLATED)
    lab.edit(
        "clusterform.yaml",
        (
            "  blueprints:\n",
            "  blueprints:\n    eu: {kustomize: bp/eu}\n    plain: {template: bp/template.yaml}\n",
        ),
    )
    for name, values in (("eu", "{region: north, nodes: 3}"), ("plain", "{REGION: south}")):
        lab.write(
            f"clusters/{name}.yaml",
            "apiVersion: clusterform.dev/v1\nkind: WorkloadCluster\n"
            f"metadata: {{name: {name}-1, namespace: team-a}}\n"
            f"spec: {{blueprint: {name}, values: {values}}}\n",
        )
    lab.converge()
    live = lab.list("/api/v1/namespaces/team-a/configmaps")
    found = {c["metadata"]["name"]: c["data"] for c in live}
    assert found["eu-eu-1-notes"] == {"region": "north", "nodes": "n-3"}
    assert found["plain-1-plain"] == {"region": "south"}
    # An edit of the base is seen, although the folder of the blueprint is as it was.
    lab.write("bp/base/notes.yaml", KUSTOMIZED.replace("nodes:", "count:"))
    assert [c.id.name for c in lab.plan().changes] == ["eu-eu-1-notes"]


def test_a_render_is_remembered_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = lab_of(tmp_path, "flux-v2")
    first = lab.plan()
    with monkeypatch.context() as without:
        without.setattr("planner.expand.expansion.Renderer", None)
        again = lab.plan()
    assert msgspec.json.encode(first) == msgspec.json.encode(again)
    lab.edit("profiles/base/logging.yaml", ('flush: "5"', 'flush: "6"'))
    assert b'"6"' not in msgspec.json.encode(again)
    assert lab.plan().digest != again.digest


def test_a_changed_field_names_the_line_of_its_value_or_its_template(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.converge()
    lab.edit("clusters/production/shop.yaml", ("count: 5,", "count: 6,"))
    lab.edit("charts/aws-cluster/templates/control-plane.yaml", ('"50"', '"60"'))
    lab.edit("charts/azure-cluster/values.yaml", ("replicas: 3", "replicas: 5"))
    origins = {
        (c.id.name, field.origin) for c in lab.plan().changes for field in c.fields if field.origin
    }
    assert origins == {
        ("shop-web", "clusters/production/shop.yaml:29"),
        ("shop-dev-control-plane", "charts/aws-cluster/templates/control-plane.yaml"),
        ("shop-staging-control-plane", "charts/azure-cluster/values.yaml:9"),
    }


JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{{{ .Release.Name }}}}-{name}
  namespace: {{{{ .Release.Namespace }}}}
  annotations: {{helm.sh/hook: "{events}", helm.sh/hook-weight: "{weight}"}}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: run, image: example.org/run:1}}]
"""


def test_hooks_run_with_their_release_and_only_then(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    for name, events, weight in (
        ("check", "pre-install,pre-upgrade", 5),
        ("first", "pre-install", -1),
        ("notify", "post-upgrade", 0),
        ("gone", "pre-delete", 0),
        ("try", "test", 0),
    ):
        text = JOB.format(name=name, events=events, weight=weight)
        lab.write(f"charts/dev-cluster/templates/{name}.yaml", text)

    def jobs(plan: Plan) -> list[tuple[str, str]]:
        return [(c.id.name, c.verb.value) for c in plan.changes if c.id.kind == "Job"]

    plan = lab.plan()
    assert jobs(plan) == [("shop-local-check", "create"), ("shop-local-first", "create")]
    order = {(str(e.before), str(e.after)): e.until.name for e in plan.graph.edges}
    assert order["Job shop/shop-local-first", "Job shop/shop-local-check"] == "complete"
    assert order["Job shop/shop-local-check", "Cluster shop/shop-local"] == "complete"
    said = [f.summary for f in plan.findings if "hooks that are not run" in f.summary]
    assert said == [
        "HelmRelease shop/shop-local: hooks that are not run: Job shop-local-gone (pre-delete)"
    ]
    lab.apply(plan)
    assert lab.plan().changes == ()

    lab.edit("clusters/local/shop-local.yaml", ("count: 2}", "count: 3}"))
    upgrade = lab.plan()
    assert jobs(upgrade) == [
        ("shop-local-check", "replace"),
        ("shop-local-check", "replace"),
        ("shop-local-notify", "create"),
    ]
    order = {(str(e.before), str(e.after)) for e in upgrade.graph.edges}
    gate = "mgmt HelmRelease shop/shop-local applied"
    assert ("MachineDeployment shop/shop-local-md0", gate) in order
    assert (gate, "Job shop/shop-local-notify") in order
    lab.apply(upgrade)
    assert lab.plan().changes == ()


SEALED = """\
apiVersion: v1
kind: Secret
metadata: {name: sealed, namespace: shop}
data: {token: "ENC[AES256_GCM,data:AAAA,iv:BBBB,tag:CCCC,type:str]"}
sops: {mac: "ENC[AES256_GCM,data:DDDD,type:str]", version: 3.9.0}
"""


def test_what_sops_encrypted_is_neither_written_nor_taken_for_gone(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.converge()
    lab.write("clusters/dev/sealed.yaml", SEALED)
    plan = lab.plan()
    assert plan.changes == ()
    assert said(plan) == ["Secret shop/sealed is encrypted by SOPS: not made"]
    lab.edit(
        "clusters/dev/shop-dev.yaml",
        ("  values:\n", "  valuesFrom:\n    - secretKeyRef: {name: sealed}\n  values:\n"),
    )
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert "Secret shop/sealed is encrypted by SOPS" in str(caught.value)


def test_an_object_of_a_kustomization_without_a_namespace_is_an_error_as_for_flux(
    tmp_path: Path,
) -> None:
    lab = lab_of(tmp_path, "flux-v2")
    lab.write("profiles/base/bare.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
    with pytest.raises(ClusterformError) as caught:
        lab.plan()
    assert "ConfigMap c of Kustomization shop/" in str(caught.value)
    assert "has no namespace: Flux refuses it" in str(caught.value)


def test_a_shell_variable_that_flux_would_take_is_warned_of(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v2")
    lab.write(
        "fleet/shop/config.yaml",
        "apiVersion: bootstrap.cluster.x-k8s.io/v1beta2\nkind: KubeadmConfigTemplate\n"
        "metadata: {name: c}\nspec: {template: {spec: "
        '{preKubeadmCommands: ["export P=${PROXY:-none}"]}}}\n',
    )
    lab.edit("fleet/shop/kustomization.yaml", ("  - dev\n", "  - dev\n  - config.yaml\n"))
    warned = [f.summary for f in lab.plan().findings if f.kind == "warning"]
    assert warned == [
        "Kustomization flux-system/shop: KubeadmConfigTemplate c"
        " .spec.template.spec.preKubeadmCommands[0]: ${PROXY} is replaced by its default before"
        " the machine sees it, though a script was to read it"
    ]


def test_what_a_source_ignores_is_not_there(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "flux-v2")
    lab.write("profiles/base/.sourceignore", "extra.yaml\n")
    lab.write(
        "profiles/base/extra.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: logging}\n",
    )
    assert "extra" not in {c.id.name for c in lab.plan().changes}


FLUXD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: flux, namespace: flux}
spec:
  selector: {matchLabels: {name: flux}}
  template:
    metadata: {labels: {name: flux}}
    spec:
      containers:
        - {name: flux, image: example.org/flux:1, args: [--git-branch=old, --sync-interval=5m]}
"""


def test_flux_is_installed_and_pointed_at_the_clusters_own_repository(tmp_path: Path) -> None:
    lab = lab_of(tmp_path, "blueprints")
    lab.write(
        "gitops/v2/ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n"
    )
    lab.write(
        "gitops/v1/all.yaml",
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: flux}}\n---\n{FLUXD}",
    )
    for name, group, kind, plural in (
        ("s", "source.toolkit.fluxcd.io", "GitRepository", "gitrepositories"),
        ("k", "kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations"),
    ):
        lab.write(
            f"gitops/v2/{name}.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
            f"metadata: {{name: {plural}.{group}}}\n"
            f"spec: {{group: {group}, scope: Namespaced, names: {{kind: {kind}, plural: {plural},"
            f" singular: {kind.lower()}, listKind: {kind}List}}, versions: [{{name: v1,"
            " served: true, storage: true, schema: {openAPIV3Schema: {type: object,"
            " x-kubernetes-preserve-unknown-fields: true}}}]}\n",
        )
    lab.edit(
        "clusterform.yaml",
        (
            "  profiles:\n",
            "  profiles:\n"
            "    own: {after: [cni], selector: {}, gitops: {engine: flux2, components: gitops/v2,"
            " url: 'https://git.example.org/own'}}\n"
            "    old: {gitops: {engine: flux1, components: gitops/v1/all.yaml, url: 'ssh://git@x/own',"
            " path: '{name}'}}\n",
        ),
    )
    lab.edit("clusters/shop-prod.yaml", ("profiles: [base]", "profiles: [base, old]"))
    lab.converge()
    documents = lab.workspace().loaded.documents
    found = {(d.cluster, d.kind, d.name): msgspec.json.decode(d.body)["spec"] for d in documents
             if d.kind in ("Kustomization", "Deployment")}  # fmt: skip
    flux = ("Kustomization", "flux-system")
    assert found["team-a/shop-dev", *flux]["path"] == "./clusters/team-a/shop-dev"
    assert found["team-a/shop-prod", *flux]["path"] == "./clusters/team-a/shop-prod"
    arguments = found["team-a/shop-prod", "Deployment", "flux"]["template"]["spec"]["containers"]
    assert arguments[0]["args"] == [
        "--sync-interval=5m",
        "--git-url=ssh://git@x/own",
        "--git-branch=main",
        "--git-path=shop-prod",
    ]
    assert lab.plan().changes == ()


def test_a_secret_value_is_rendered_again_although_its_chart_has_a_hook_that_is_not_run(
    tmp_path: Path,
) -> None:
    lab = lab_of(tmp_path, "flux-v1")
    lab.write(
        "charts/dev-cluster/templates/gone.yaml",
        JOB.format(name="gone", events="pre-delete", weight=0),
    )
    lab.write(
        "charts/dev-cluster/templates/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-token\n"
        "  namespace: {{ .Release.Namespace }}\nstringData: {token: hush-hush-4711}\n",
    )
    lab.converge()
    assert lab.plan().changes == ()

"""Folders and Kustomizations that Flux and we are given alike."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
NS = "NAMESPACE"
"""Stands for the case's own namespace in files and specs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One source with one Kustomization."""

    files: dict[str, str]
    path: str = ""
    spec: Body = field(default_factory=dict)
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    fails: str = ""
    """The reason that Flux gives; ours is to fail, too."""
    smoke: bool = False


def config(name: str = "a", namespace: str = NS, **data: Any) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": data or {"k": "v"},
        }
    )


def deployment(image: str = "nginx:1.0", replicas: str = "1") -> str:
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: {NS}}}\n"
        f"spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: web}}}}\n"
        "  template:\n    metadata: {labels: {app: web}}\n"
        f"    spec: {{containers: [{{name: c, image: '{image}'}}]}}\n"
    )


SERVICE = (
    "apiVersion: v1\nkind: Service\n"
    f"metadata: {{name: web, namespace: {NS}, labels: {{app: web}}}}\n"
    "spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n"
)
LONG = "many words that make a line far longer than eighty columns, ${x} in between, and more"
KUBEADM = f"""\
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata: {{name: workers, namespace: {NS}}}
spec:
  template:
    spec:
      files:
      - path: /etc/run.sh
        owner: root:root
        permissions: "0755"
        content: |
          #!/bin/sh
          echo "$${{HOME}} ${{region}} $1 $(id)" > /tmp/x
      preKubeadmCommands:
      - echo ${{region}} $${{PATH}} ${{zone:=${{region}}a}}
      - "{LONG.replace("${x}", "${region}")}"
"""


def post_build(**substitute: str) -> Body:
    return {"postBuild": {"substitute": substitute}}


CASES: dict[str, Case] = {
    "a folder of manifests": Case(
        files={"a.yaml": config("a"), "x/b.yml": config("b"), "note.txt": "x", "s.yaml": SERVICE},
        smoke=True,
    ),
    "a kustomization with prefix, labels and replicas": Case(
        files={
            "kustomization.yaml": "resources: [d.yaml, a.yaml]\nnamePrefix: p-\n"
            "labels: [{pairs: {team: a}, includeSelectors: true}]\n"
            "replicas: [{name: web, count: 3}]\n",
            "d.yaml": deployment(),
            "a.yaml": config(),
        },
        smoke=True,
    ),
    "an overlay beside its base": Case(
        files={
            "over/kustomization.yaml": "resources: [../base, ../shared/c.yaml]\n"
            "patches: [{path: ../shared/patch.yaml}]\n",
            "shared/patch.yaml": config("a", x="y"),
            "shared/c.yaml": config("c"),
            "base/kustomization.yaml": "resources: [a.yaml]\n",
            "base/a.yaml": config("a"),
        },
        path="./over",
    ),
    "a target namespace over the object's": Case(
        files={"a.yaml": config("a", "elsewhere"), "s.yaml": SERVICE},
        spec={"targetNamespace": NS},
    ),
    "prefix, suffix and a strategic patch": Case(
        files={"d.yaml": deployment()},
        spec={
            "namePrefix": "p-",
            "nameSuffix": "-s",
            "patches": [
                {
                    "patch": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n"
                    f"  namespace: {NS}\nspec:\n  template:\n    spec:\n      containers:\n"
                    "      - {name: c, env: [{name: A, value: b}]}\n"
                }
            ],
        },
    ),
    "a JSON patch by selector": Case(
        files={"s.yaml": SERVICE, "a.yaml": config()},
        spec={
            "patches": [
                {
                    "target": {"labelSelector": "app=web"},
                    "patch": '[{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]',
                }
            ]
        },
    ),
    "images of both sides": Case(
        files={
            "kustomization.yaml": "resources: [d.yaml]\nimages: [{name: nginx, newTag: '2'}]\n",
            "d.yaml": deployment(),
        },
        spec={"images": [{"name": "nginx", "newName": "r.example/nginx"}]},
        smoke=True,
    ),
    "components": Case(
        files={
            "k/a.yaml": config(),
            "c/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\n"
            "kind: Component\npatches: [{target: {kind: ConfigMap}, "
            'patch: \'[{"op": "add", "path": "/data/c", "value": "d"}]\'}]\n',
        },
        path="k",
        spec={"components": ["../c", "../gone"], "ignoreMissingComponents": True},
    ),
    "common metadata": Case(
        files={"a.yaml": config(), "s.yaml": SERVICE},
        spec={"commonMetadata": {"labels": {"app": "b"}, "annotations": {"c": "${x}"}},
              **post_build(x="1")},
        smoke=True,
    ),
    "substitution inline": Case(
        files={
            "a.yaml": config(v="${x} and ${y:=d} and $${z} and ${n}", w="a${n}b", e="${x:0:2}"),
            "d.yaml": deployment(image="${image}", replicas="${n}"),
        },
        spec=post_build(x="value", n="3", image="nginx:7"),
        smoke=True,
    ),
    "substitution of long and of many lines": Case(
        files={
            "a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {NS}}}\n"
            f"data:\n  long: {LONG}\n  lines: |\n    {LONG}\n    second ${{x}}\n"
            f"  quoted: \"# {LONG}\"\n  default: \"{LONG} ${{q:=two words}}\"\n  key.${{x}}: v\n",
        },
        spec=post_build(x="value: with # marks", q=""),
        fails="BuildFailed",
    ),
    "substitution of long texts that stay texts": Case(
        files={
            "a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {NS}}}\n"
            f"data:\n  long: {LONG}\n  lines: |\n    {LONG}\n    second ${{x}}\n"
            f"  quoted: \"# {LONG}\"\n  default: \"{LONG} ${{q:=two words}}\"\n  key.${{x}}: v\n",
        },
        spec=post_build(x="value", q=""),
    ),
    "a value that brings structure": Case(
        files={"s.yaml": SERVICE.replace("targetPort: 8080", 'targetPort: "${port}"')
               .replace("{app: web}, ports", "${selector}, ports")
               .replace("spec: {", "spec: {").replace("${selector}", '"${selector}"')},
        spec=post_build(port="8080", selector="{app: web, tier: front}"),
    ),
    "variables from ConfigMaps and Secrets": Case(
        files={"a.yaml": config(a="${a}-", b="${b}-", c="${c}-", d="${d}-")},
        spec={
            "postBuild": {
                "substitute": {"a": "inline"},
                "substituteFrom": [
                    {"kind": "ConfigMap", "name": "one"},
                    {"kind": "Secret", "name": "two"},
                    {"kind": "ConfigMap", "name": "gone", "optional": True},
                ],
            }
        },
        config_maps={"one": {"a": "one", "b": "one", "c": "one\nand\n"}},
        secrets={"two": {"b": "two", "d": "two"}},
    ),
    "an object that is left alone": Case(
        files={
            "a.yaml": config(a="${x}"),
            "b.yaml": config("b", a="${x} ${gone}").replace(
                '"name": "b",',
                '"name": "b", "annotations": '
                '{"kustomize.toolkit.fluxcd.io/substitute": "disabled"},',
            ),
        },
        spec=post_build(x="val"),
    ),
    "no variable at all": Case(
        files={"a.yaml": config(a="${x} ${y:=d} $${z}")}, spec={"postBuild": {}}
    ),
    "no variable, always": Case(
        files={"a.yaml": config(a="${y:=d} $${z}")},
        spec={"postBuild": {"substituteStrategy": "Always"}},
    ),
    "an undefined variable": Case(
        files={"a.yaml": config(a="${x} ${gone}")}, spec=post_build(x="v"), fails="BuildFailed",
        smoke=True,
    ),
    "scripts of machines": Case(files={"k.yaml": KUBEADM}, spec=post_build(region="eu")),
    "generators": Case(
        files={
            "kustomization.yaml": f"namespace: {NS}\nresources: [d.yaml]\n"
            "configMapGenerator: [{name: conf, literals: [a=b], files: [f.txt]}]\n"
            "secretGenerator: [{name: pw, envs: [s.env]}]\n",
            "f.txt": "file\n",
            "s.env": "P=hunter2\n",
            "d.yaml": deployment().replace(
                "image: 'nginx:1.0'",
                "image: 'nginx:1.0', envFrom: [{configMapRef: {name: conf}}]",
            ),
        },
    ),
    "generators only, whose origins stay": Case(
        files={"kustomization.yaml": f"namespace: {NS}\n"
               "configMapGenerator: [{name: conf, literals: [a=b]}]\n"},
    ),
    "origins that are asked for": Case(
        files={"kustomization.yaml": "resources: [x/a.yaml]\n", "x/a.yaml": config()},
        spec={"buildMetadata": ["originAnnotations"]},
    ),
    "a file without a kind": Case(
        files={"a.yaml": config(), "values.yaml": "x: 1\n"}, fails="BuildFailed", smoke=True
    ),
    "a folder that is not there": Case(
        files={"a.yaml": config()}, path="gone", fails="ArtifactFailed"
    ),
    "an object twice": Case(
        files={"a.yaml": config(), "b.yaml": config()}, fails="BuildFailed"
    ),
    "fields that kustomize does not know": Case(
        files={"kustomization.yaml": "resources: [a.yaml]\nunheard: of\n", "a.yaml": config()},
    ),
    "words and times as kustomize reads them": Case(
        files={
            "a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: {NS}\n"
            "  annotations: {a: yes, b: 2020-01-01, c: off}\n"
            "data: {on: yes, n: no, t: 2020-01-01T00:00:00Z}\n",
        },
    ),
    "a list, an anchor and a Secret's stringData": Case(
        files={
            "a.yaml": "apiVersion: v1\nkind: List\nitems:\n"
            f"- {config('a')}\n- {config('b')}\n",
            "s.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: &m {{name: s, namespace: {NS}}}\n"
            "stringData: {a: b}\n",
        },
    ),
    "a namespace and what is in it": Case(
        files={
            "n.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAMESPACE-more}\n",
            "a.yaml": config("a", f"{NS}-more"),
        },
    ),
    "replacements and a nested kustomization": Case(
        files={
            "a.yaml": config("a", v="1"),
            "x/kustomization.yaml": "resources: [b.yaml, c.yaml]\nreplacements:\n"
            "- source: {kind: ConfigMap, name: b, fieldPath: data.v}\n"
            "  targets: [{select: {name: c}, fieldPaths: [data.v]}]\n",
            "x/b.yaml": config("b", v="from-b"),
            "x/c.yaml": config("c", v="x"),
            "x/ignored.yaml": "no: object\n",
        },
    ),
}  # fmt: skip

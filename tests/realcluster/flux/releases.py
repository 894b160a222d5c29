"""Charts and HelmReleases that helm-controller and we are given alike."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
NS = "NAMESPACE"
"""Stands for the case's own namespace in files and specs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One chart with one HelmRelease."""

    files: dict[str, str]
    """Of the chart; `Chart.yaml` is added where it is missing."""
    spec: Body = field(default_factory=dict)
    name: str = "rel"
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    smoke: bool = False


CHART = "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: '7'\n"
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  values: {{ .Values | toJson | quote }}
  sum: {{ .Values | toYaml | sha256sum }}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
  labels: {app: web}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: {{ printf "%s:%s" .Values.image.name (.Values.image.tag | toString) }}
        ports: [{containerPort: {{ int .Values.port }}}]
"""
CLUSTER = """\
{{- range $name, $pool := .Values.pools }}
---
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata:
  name: {{ $.Release.Name }}-{{ $name }}-{{ $pool | toYaml | sha256sum | trunc 6 }}
  namespace: {{ $.Release.Namespace }}
spec:
  template:
    spec:
      preKubeadmCommands:
      {{- range $pool.commands }}
      - {{ . | quote }}
      {{- end }}
      files:
      - path: /etc/{{ $name }}
        content: |
          {{- $.Files.Get "files/motd" | nindent 10 }}
{{- end }}
"""
VALUES = "replicas: 2\nimage: {name: nginx, tag: 1.25}\nport: 8080\n"
CRD = json.dumps(
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gizmos.chart.test"},
        "spec": {
            "group": "chart.test",
            "scope": "Namespaced",
            "names": {"kind": "Gizmo", "plural": "gizmos", "singular": "gizmo"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }
)


def templates(**files: str) -> dict[str, str]:
    return {f"templates/{name}.yaml": text for name, text in files.items()}


CASES: dict[str, Case] = {
    "values over the chart's": Case(
        files={"values.yaml": VALUES, **templates(c=CONFIG, d=DEPLOYMENT)},
        spec={"values": {"replicas": 3, "image": {"tag": "2"}, "big": 1000000}},
        smoke=True,
    ),
    "values from everywhere": Case(
        files=templates(c=CONFIG),
        spec={
            "valuesFrom": [
                {"kind": "ConfigMap", "name": "one"},
                {"kind": "Secret", "name": "two", "valuesKey": "more.yaml"},
                {"kind": "ConfigMap", "name": "one", "valuesKey": "n", "targetPath": "deep.number"},
                {"kind": "ConfigMap", "name": "gone", "optional": True},
            ],
            "values": {"c": "inline"},
        },
        config_maps={"one": {"values.yaml": "a: 1\nb: 1\nc: 1\nm: {x: 1}\n", "n": "5"}},
        secrets={"two": {"more.yaml": "b: 2\nm: {y: 2}\n"}},
        smoke=True,
    ),
    "another namespace": Case(
        files=templates(c=CONFIG),
        spec={"targetNamespace": f"{NS}-target", "install": {"createNamespace": True}},
    ),
    "a long name": Case(
        files=templates(c=CONFIG.replace("{{ .Release.Name }}", "{{ .Release.Name | trunc 60 }}")),
        name="a-name-that-is-longer-than-the-fifty-three-characters-of-helm",
    ),
    "a name of its own": Case(files=templates(c=CONFIG), spec={"releaseName": "own"}),
    "post-renderers": Case(
        files={"values.yaml": VALUES, **templates(c=CONFIG, d=DEPLOYMENT)},
        spec={
            "postRenderers": [
                {
                    "kustomize": {
                        "patches": [
                            {
                                "target": {"kind": "ConfigMap"},
                                "patch": '[{"op": "add", "path": "/data/more", "value": "x"}]',
                            }
                        ],
                        "images": [{"name": "nginx", "newName": "r.example/nginx", "newTag": "9"}],
                    }
                },
                {
                    "kustomize": {
                        "patches": [
                            {
                                "patch": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rel}\n"
                                "data: {more: y}\n"
                            }
                        ]
                    }
                },
            ]
        },
        smoke=True,
    ),
    "common metadata": Case(
        files={"values.yaml": VALUES, **templates(c=CONFIG, d=DEPLOYMENT)},
        spec={"commonMetadata": {"labels": {"app": "b", "team": "a"}, "annotations": {"c": "d"}}},
    ),
    "subcharts, globals and a condition": Case(
        files={
            "Chart.yaml": CHART
            + "dependencies:\n- {name: first, version: 1.0.0, condition: first.enabled}\n"
            "- {name: second, version: 1.0.0, condition: second.enabled}\n",
            "values.yaml": "global: {g: 1}\nfirst: {enabled: true, v: parent}\n"
            "second: {enabled: false}\n",
            "charts/first/Chart.yaml": "apiVersion: v2\nname: first\nversion: 1.0.0\n",
            "charts/first/values.yaml": "v: own\nw: own\n",
            "charts/first/templates/c.yaml": CONFIG.replace("}}\ndata", "}}-first\ndata", 1),
            "charts/second/Chart.yaml": "apiVersion: v2\nname: second\nversion: 1.0.0\n",
            "charts/second/templates/c.yaml": CONFIG,
            **templates(c=CONFIG),
        },
        spec={"values": {"global": {"g": 2}}},
    ),
    "CRDs and an object of them": Case(
        files={
            "crds/gizmo.yaml": CRD,
            **templates(
                g="apiVersion: chart.test/v1\nkind: Gizmo\n"
                "metadata: {name: g, namespace: {{ .Release.Namespace }}}\nspec: {a: 1}\n"
            ),
        },
    ),
    "machines by range, files and hashes": Case(
        files={
            "values.yaml": "pools: {a: {commands: ['echo \"$HOME\"']}, b: {commands: [x]}}\n",
            "files/motd": "hello\n  ${PATH} world\n",
            **templates(k=CLUSTER),
        },
        spec={"values": {"pools": {"b": None, "c": {"commands": ["y: z", "# no"]}}}},
    ),
    "hooks, tests and notes": Case(
        files={
            **templates(
                c=CONFIG,
                hook="apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hook\n"
                "  annotations: {helm.sh/hook: pre-install}\n",
                test="apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: test\n"
                "  annotations: {helm.sh/hook: test}\n",
            ),
            "templates/NOTES.txt": "hello {{ .Release.Name }}",
            "templates/_helpers.tpl": "{{ define \"x\" }}y{{ end }}",
        },
    ),
    "words and times in templates": Case(
        smoke=True,
        files=templates(
            c="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: words}\n"
            "data: {on: yes, t: 2020-01-01, q: \"no\", N: Off, u: 2020-1-2T3:4:5Z,\n"
            "  v: 2020-01-02T03:04:05.120Z, w: 2020-01-02T03:04:05+02:00, x: 2020-13-01,\n"
            "  y: 2020-1-2, z: 2020-01-02 03:04:05}\n"
        ),
    ),
}  # fmt: skip

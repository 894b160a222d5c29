"""Small charts of our own that use what public cluster charts use (gitops-helm.md, 2.3)."""

from __future__ import annotations

from typing import Any

_FUNCTIONS = """
include nindent quote default dict toYaml list set eq printf and hasKey or not append ne get
trunc kindIs fromYaml index tpl lookup semverCompare regexMatch regexReplaceAll
regexReplaceAllLiteral regexFind regexFindAll regexSplit mustRegexMatch
mustRegexReplaceAllLiteral mustMerge merge mergeOverwrite mustMergeOverwrite dig deepCopy
mustDeepCopy sha1sum sha256sum sha512sum adler32sum b64enc b64dec toJson fromJson toRawJson
toPrettyJson mustToJson fromJsonArray fromYamlArray toString toStrings int int64 float64 atoi
add add1 sub mul div mod max min ceil floor round len first last rest initial uniq without has
compact concat prepend reverse slice sortAlpha join split splitList splitn keys values pick
omit pluck unset hasPrefix hasSuffix contains trim trimAll trimPrefix trimSuffix upper lower
title untitle snakecase camelcase kebabcase replace repeat substr nospace initials abbrev
squote indent cat coalesce ternary empty required fail until untilStep seq typeOf typeIs kindOf
lt le gt ge semver date dateInZone toDate urlquery urlParse base dir ext clean isAbs all any
print println html js
"""
FUNCTIONS = _FUNCTIONS.split()
"""Those that the charts below must use."""

HELPERS = """
{{- define "name" -}}{{ .Values.name | default .Chart.Name | trunc 63 | trimSuffix "-" }}{{- end }}
{{- define "labels" -}}
app.kubernetes.io/name: {{ include "name" . }}
app.kubernetes.io/version: {{ .Chart.Version | quote }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- define "hashed" -}}{{ printf "%s-%s" .name (.spec | toYaml | sha256sum | trunc 8) }}{{- end }}
"""
HEAD = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "name" . }}-KEY
  labels: {{- include "labels" . | nindent 4 }}
data:
"""


def data(key: str, *lines: str) -> str:
    """A ConfigMap with one entry for each expression."""
    body = "".join(f"  k{n}: {{{{ {line} | toString | quote }}}}\n" for n, line in enumerate(lines))
    return HEAD.replace("KEY", key) + body


TEMPLATES: dict[str, str] = {
    "strings": data(
        "strings",
        ".Values.s | upper",
        ".Values.s | lower",
        ".Values.s | title",
        ".Values.s | untitle",
        ".Values.s | snakecase",
        ".Values.s | camelcase",
        ".Values.s | kebabcase",
        '.Values.s | replace " " "_"',
        ".Values.s | repeat 3",
        "substr 1 3 .Values.s",
        ".Values.s | nospace",
        ".Values.s | initials",
        ".Values.s | abbrev 6",
        ".Values.s | squote",
        ".Values.s | trim",
        '.Values.s | trimAll " x"',
        '.Values.s | trimPrefix "x"',
        '.Values.s | trimSuffix "x"',
        'hasPrefix "x" .Values.s',
        'hasSuffix "x" .Values.s',
        'contains "o" .Values.s',
        "cat .Values.s 1 true",
        ".Values.s | indent 2",
        ".Values.s | html",
        ".Values.s | js",
        ".Values.s | urlquery",
        "print .Values.s 1 2",
        "println .Values.s",
        'splitList " " .Values.s | join "-"',
        '(split " " .Values.s)._0',
        '(splitn " " 2 .Values.s)._0',
        ".Values.s | b64enc",
        ".Values.s | b64enc | b64dec",
        ".Values.s | sha1sum",
        ".Values.s | sha256sum",
        ".Values.s | sha512sum",
        ".Values.s | adler32sum",
        ".Values.s | len",
        "trunc -3 .Values.s",
    ),
    "numbers": data(
        "numbers",
        ".Values.n",
        "int .Values.n",
        "int64 .Values.n",
        "float64 .Values.n",
        "add .Values.n 2 3",
        "add1 .Values.n",
        "sub .Values.n 2",
        "mul .Values.n 3",
        "div .Values.n 2",
        "mod .Values.n 3",
        "max .Values.n 5 7",
        "min .Values.n 5 7",
        "ceil .Values.f",
        "floor .Values.f",
        "round .Values.f 1",
        "atoi .Values.a",
        "lt (float64 .Values.n) 5.0",
        "le (float64 .Values.n) 5.0",
        "gt (float64 .Values.n) 5.0",
        "ge (float64 .Values.n) 5.0",
        "eq (float64 .Values.n) 3.0",
        "ne (float64 .Values.n) 3.0",
        "until 4",
        "untilStep 0 10 3",
        "seq 1 4",
        "kindOf .Values.n",
        "typeOf .Values.n",
        'typeIs "float64" .Values.n',
        'kindIs "float64" .Values.n',
        'printf "%v %d" .Values.n (int .Values.n)',
        "toString .Values.f",
        "mul 15 2",
    ),
    "lists": data(
        "lists",
        "first .Values.l",
        "last .Values.l",
        "rest .Values.l",
        "initial .Values.l",
        "append .Values.l 9 | toJson",
        "prepend .Values.l 9 | toJson",
        "concat .Values.l (list 7 8) | toJson",
        "uniq .Values.l | toJson",
        'without .Values.l "a" | toJson',
        'has "a" .Values.l',
        "compact .Values.l | toJson",
        "reverse .Values.l | toJson",
        "slice .Values.l 1 2 | toJson",
        'join "," .Values.l',
        "toStrings .Values.l | sortAlpha | toJson",
        "index .Values.l 0",
        "len .Values.l",
        "list 1 2 | toRawJson",
        ".Values.l | toPrettyJson",
        "mustToJson .Values.l",
        '"[1, 2]" | fromJsonArray | toJson',
        '"- 1\\n- x" | fromYamlArray | toJson',
        "empty .Values.l",
        "all 1 true .Values.l",
        "any 0 false .Values.l",
        "list .Values.l | first | len",
        'coalesce "" nil .Values.l | toJson',
    ),
    "maps": data(
        "maps",
        'dict "a" 1 "b" .Values.m | toJson',
        'set (deepCopy .Values.m) "x" 1 | toJson',
        'unset (deepCopy .Values.m) "a" | toJson',
        'hasKey .Values.m "a"',
        'get .Values.m "a"',
        "keys .Values.m | sortAlpha | toJson",
        "values .Values.m | len",
        'pick .Values.m "a" | toJson',
        'omit .Values.m "a" | toJson',
        'pluck "a" .Values.m (dict "a" 2) | toJson',
        'dig "b" "c" "none" .Values.m',
        'merge (dict "a" 0) .Values.m | toJson',
        'mustMerge (dict "z" 0) .Values.m | toJson',
        'mergeOverwrite (deepCopy .Values.m) (dict "a" 9) | toJson',
        'mustMergeOverwrite (mustDeepCopy .Values.m) (dict "b" (dict "c" 5)) | toJson',
        'index .Values.m "b" "c"',
        ".Values.m | toYaml | fromYaml | toJson",
        '"{\\"q\\": [1]}" | fromJson | toJson',
        'ternary "yes" "no" (hasKey .Values.m "a")',
        'eq (get .Values.m "none") ""',
        "kindOf .Values.m",
        'default "d" .Values.none',
        'default "d" .Values.m.none',
        "dict | empty",
        "not .Values.m",
        "and .Values.m .Values.none",
        'or .Values.none "x"',
    ),
    "patterns": data(
        "patterns",
        'regexMatch "^[a-z]+$" .Values.s',
        'regexFind "[a-z]+" .Values.s',
        'regexFindAll "[a-z]" .Values.s -1 | toJson',
        'regexReplaceAll "([a-z])" .Values.s "${1}."',
        'regexReplaceAllLiteral "[ ]" .Values.s "$1"',
        'regexSplit " " .Values.s -1 | toJson',
        'mustRegexMatch "x" .Values.s',
        'mustRegexReplaceAllLiteral "x" .Values.s "y"',
        'semverCompare "^1.2.0" .Values.v',
        'semverCompare ">=1.3-0" .Values.v',
        "(semver .Values.v).Minor",
        '(urlParse "https://u@h:1/p?q#f").host',
        'base "/a/b.c"',
        'dir "/a/b.c"',
        'ext "/a/b.c"',
        'clean "/a/../b"',
        'isAbs "/a"',
        'toDate "2006-01-02" "2024-05-06" | date "2006"',
        'dateInZone "2006-01-02" (toDate "2006-01-02" "2024-05-06") "UTC"',
        'required "v is needed" .Values.v',
    ),
    "tpl": HEAD.replace("KEY", "tpl")
    + """  text: {{ tpl .Values.template . | quote }}
  nested: {{ tpl (printf "{{ include %q . }}" "name") . | quote }}
  found: {{ (lookup "v1" "Secret" .Release.Namespace "x") | toJson | quote }}
  guarded: {{ dig "data" "k" "none" (lookup "v1" "Secret" "ns" "x") | quote }}
  hashed: {{ include "hashed" (dict "name" "t" "spec" .Values.m) }}
  file: {{ .Files.Get "files/a.txt" | quote }}
  missing: {{ .Files.Get "../../../../etc/passwd" | quote }}
  lines: {{ .Files.Lines "files/a.txt" | toJson | quote }}
{{ (.Files.Glob "files/*.txt").AsConfig | indent 2 }}
""",
    "flow": HEAD.replace("KEY", "flow")
    + """{{- $seen := "" }}
{{- range $index, $one := .Values.l }}
{{- if eq (toString $one) "stop" }}{{ break }}{{ end }}
{{- if eq (toString $one) "skip" }}{{ continue }}{{ end }}
  l{{ $index }}: {{ $one | quote }}
{{- $seen = printf "%s%v" $seen $one }}
{{- else }}
  empty: "yes"
{{- end }}
  seen: {{ $seen | quote }}
{{- with .Values.none }}
  with: "yes"
{{- else }}
  with: "no"
{{- end }}
{{- range $k, $v := .Values.m }}
  m-{{ $k }}: {{ $v | toJson | squote }}
{{- end }}
{{- if and .Values.s (not .Values.none) (or .Values.n .Values.f) }}
  and: "yes"
{{- end }}
  block: |
    {{- toYaml .Values.m | nindent 4 }}
{{- template "extra" . }}
{{- define "extra" }}
  extra: {{ (.Values.m).a | quote }}
{{- end }}
{{- if gt (len .Values.l) 40 }}{{ fail "too many" }}{{ end }}
---
# only a comment
---
{{ if .Values.s }}{{ $copy := deepCopy .Values.m }}{{ $_ := set $copy "added" (list 1 2) -}}
apiVersion: v1
kind: Secret
metadata: {name: second, labels: {{ dict "r" .Release.Name | toJson }}}
stringData: {{ $copy | toJson | quote | dict "all" | toYaml | nindent 2 }}
{{ end }}
""",
    "machines": """{{- range $name, $pool := .Values.pools }}
{{- $type := $pool.type | default "small" }}
{{- $spec := dict "instanceType" $type "count" (int (default 1 $pool.count)) }}
{{- $hash := include "hashed" (dict "name" $name "spec" $spec) }}
apiVersion: infrastructure.cluster.x-k8s.io/v1beta2
kind: AWSMachineTemplate
metadata:
  name: {{ $.Release.Name }}-{{ $hash }}
  namespace: {{ $.Release.Namespace }}
  labels: {{- include "labels" $ | nindent 4 }}
spec:
  template:
    {{- $all := mergeOverwrite (dict "ami" (dict)) $spec ($pool.extra | default dict) }}
    spec: {{- toYaml $all | nindent 6 }}
---
apiVersion: cluster.x-k8s.io/v1beta2
kind: MachineDeployment
metadata: {name: {{ $.Release.Name }}-{{ $name }}}
spec:
  replicas: {{ $spec.count }}
  {{- with $pool.taints }}
  taints: {{- toYaml . | nindent 4 }}
  {{- end }}
  template: {spec: {infrastructureRef: {name: {{ $.Release.Name }}-{{ $hash }}}}}
---
{{- end }}
""",
}
DEFAULTS = """
name: ""
labels: {team: a, "quoted": "1.10"}
s: "hello big world"
n: 3
f: 2.567
a: "42"
v: 1.5.3
l: [b, a, a, 1, "", true]
m: {a: 1, b: {c: x}, d: [1, 2], f: "1e3", g: 1.0, h: "yes"}
template: "{{ .Release.Name }}/{{ .Values.s | upper }}"
pools:
  default: {type: large, count: 3}
  gpu: {extra: {ami: {id: ami-1}, tags: [x]}, taints: [{key: gpu, effect: NoSchedule}]}
"""
VALUES: list[dict[str, Any]] = [
    {},
    {"s": "xMixed Case-textx", "n": 7, "l": ["only", "two"], "labels": {"team": "b", "on": "true"}},
    {"n": 0, "f": -1.5, "a": "007", "l": [], "m": {"a": "q", "b": {"c": None}}, "name": "given"},
    {
        "n": 12345678,
        "f": 1e9,
        "v": "v1.2.0-rc.1",
        "m": {"a": {"deep": [{"x": 1}]}},
        "s": "ünï ☃ \t",
    },
    {
        "s": "multi\nline \nend",
        "l": ["skip", "x", "stop", "y"],
        "template": "{{ .Values.n | add 1 }}",
    },
    {
        "pools": {"default": None, "new": {"count": 0, "type": ""}},
        "m": {"b": None, "k.l/m": "a: b"},
    },
    {"labels": None, "l": [[1, 2], {"a": 1}, 1.5, "- x", "#no"], "name": "x" * 70},
    {
        "m": {"y": "no", "t": "2024-01-01", "o": "0o17", "big": 9007199254740993, "neg": -0.0},
        "v": "1.5",
    },
]
FILES = {"files/a.txt": "one\ntwo\n", "files/b.txt": "{{ not rendered }}\n"}


def files(template: str) -> dict[str, str]:
    """A chart with one of the templates."""
    return {
        "Chart.yaml": f"apiVersion: v2\nname: book-{template}\nversion: 1.2.3\nappVersion: '4.5'\n",
        "values.yaml": DEFAULTS,
        "templates/_helpers.tpl": HELPERS,
        f"templates/{template}.yaml": TEMPLATES[template],
        **FILES,
    }


NULLS: dict[str, str] = {
    "Chart.yaml": "apiVersion: v2\nname: nulls\nversion: 1.0.0\n",
    "values.yaml": "a: null\nb: {c: null, d: 1}\n",
    "templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nulls}\n"
    "data: {v: {{ .Values | toJson | quote }}}\n",
}
NULLS_VALUES: list[dict[str, Any]] = [
    {},
    {"b": {"d": None}},
    {"a": 1, "b": {"c": 2}},
    {"x": None, "b": {"y": None, "c": 1}, "a": 1},
]
NESTED: dict[str, str] = {
    "Chart.yaml": """apiVersion: v2
name: parent
version: 1.0.0
dependencies:
- {name: child, version: 1.x, repository: "", condition: child.enabled, import-values: [exported]}
- {name: other, version: ">=0.1.0", repository: "", alias: renamed, tags: [extras]}
""",
    "values.yaml": "global: {region: eu}\nchild: {enabled: true, size: 2}\ntags: {extras: false}\n",
    "templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: parent}\n"
    "data:\n  v: {{ .Values | toJson | quote }}\n"
    "  s: {{ .Subcharts | keys | sortAlpha | toJson | quote }}\n",
    "crds/p.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
    "metadata: {name: ps.x.y}\n",
    "charts/child/Chart.yaml": "apiVersion: v2\nname: child\nversion: 1.4.0\n",
    "charts/child/values.yaml": "size: 1\nexports: {exported: {fromChild: yes-it-is}}\n",
    "charts/child/crds/c.yaml": "apiVersion: apiextensions.k8s.io/v1\n"
    "kind: CustomResourceDefinition\nmetadata: {name: cs.x.y}\n",
    "charts/child/templates/b.yaml": "apiVersion: v1\nkind: ConfigMap\n"
    "metadata: {name: child}\ndata: {v: {{ .Values | toJson | quote }}}\n",
    "charts/other/Chart.yaml": "apiVersion: v2\nname: other\nversion: 0.3.0\n",
    "charts/other/templates/c.yaml": "apiVersion: v1\nkind: ConfigMap\n"
    "metadata: {name: {{ .Chart.Name }}}\ndata: {g: {{ .Values.global.region }}}\n",
}
NESTED_VALUES: list[dict[str, Any]] = [
    {},
    {"child": {"enabled": False}},
    {"child": {"size": None}},
    {"tags": {"extras": True}, "renamed": {"x": 1}},
    {},  # again: what was switched off before is back
    {"global": {"region": None}, "child": {"global": {"zone": 1}}},
]

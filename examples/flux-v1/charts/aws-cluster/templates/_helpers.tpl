{{/* The cluster is named after its release. */}}
{{- define "cluster.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What a machine is: root (the chart's scope), pool (its values), role. */}}
{{- define "machine.spec" -}}
instanceType: {{ .pool.type }}
iamInstanceProfile: {{ .role }}.cluster-api-provider-aws.sigs.k8s.io
sshKeyName: {{ .root.Values.sshKeyName }}
rootVolume: {size: {{ .pool.diskGiB | default 40 }}, type: gp3}
{{- end }}

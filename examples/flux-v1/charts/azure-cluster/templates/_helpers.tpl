{{/* The cluster is named after its release. */}}
{{- define "cluster.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What a machine is: root (the chart's scope), pool (its values), role. */}}
{{- define "machine.spec" -}}
vmSize: {{ .pool.type }}
osDisk:
  osType: Linux
  diskSizeGB: {{ .pool.diskGiB | default 64 }}
  managedDisk: {storageAccountType: Premium_LRS}
sshPublicKey: ""
{{- end }}

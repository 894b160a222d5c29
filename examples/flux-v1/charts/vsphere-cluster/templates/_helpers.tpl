{{/* The cluster is named after its release. */}}
{{- define "cluster.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What a machine is: root (the chart's scope), pool (its values), role. */}}
{{- define "machine.spec" -}}
{{- $sizes := dict "small" (list 2 8192) "medium" (list 4 16384) "large" (list 8 32768) }}
{{- $size := index $sizes .pool.type }}
server: {{ .root.Values.server }}
datacenter: {{ .root.Values.datacenter }}
datastore: {{ .root.Values.datastore }}
folder: fleet
resourcePool: fleet
template: ubuntu-2404-kube-{{ .root.Values.kubernetesVersion }}
cloneMode: linkedClone
numCPUs: {{ index $size 0 }}
memoryMiB: {{ index $size 1 }}
diskGiB: {{ .pool.diskGiB | default 40 }}
network:
  devices:
    - {networkName: {{ .root.Values.network }}, dhcp4: true}
{{- end }}

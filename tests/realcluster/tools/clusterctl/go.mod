// clusterctl's processor of templates, behind the recorder of tests/data/clusterctl-templates.json.
module clusterform.dev/tests/clusterctl

go 1.26.0

require sigs.k8s.io/cluster-api v1.14.0

require github.com/drone/envsubst/v2 v2.0.0-20210730161058-179042472c46 // indirect

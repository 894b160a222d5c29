// The CRDs of the GCP provider, for the real suites: read from the module's source, nothing is built.
module clusterform.dev/tests/gcp

go 1.26.0

require sigs.k8s.io/cluster-api-provider-gcp v1.13.1

// The CRDs of the AWS provider, for the real suites: read from the module's source, nothing is built.
module clusterform.dev/tests/aws

go 1.26.0

require sigs.k8s.io/cluster-api-provider-aws/v2 v2.13.0

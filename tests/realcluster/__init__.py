"""Suites against real servers: etcd, kube-apiserver and kube-controller-manager as processes."""

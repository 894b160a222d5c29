"""The built-in management cluster: a Kubernetes API in this process, kept in one SQLite file."""

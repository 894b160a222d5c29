"""The Kubernetes API: its port, and the servers behind it."""

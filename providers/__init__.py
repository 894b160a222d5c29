"""How each kind behaves, and the doors to the outside: YAML, Git, Kubernetes, secrets."""

"""Kustomize builds, of overlays and of what Flux makes of a folder: by a maintained binary."""

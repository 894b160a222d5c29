"""Flux v2's formats as values: Kustomizations, sources, and substitution by Flux's exact rules."""

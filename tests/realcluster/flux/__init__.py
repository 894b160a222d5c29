"""Flux itself: its packages as an oracle of substitution, and its controllers on a real server."""

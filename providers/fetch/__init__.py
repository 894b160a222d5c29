"""The only door to the network for sources: what `clusterform sources lock|fetch` reads."""

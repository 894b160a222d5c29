"""Suites on Cluster API's own controllers: what they do is compared with what was planned."""

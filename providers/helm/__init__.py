"""Helm: releases as Flux and the Helm Operator write them, charts, and their rendering."""

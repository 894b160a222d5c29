"""Opens what expanding needs: sources, pins, the cache of renders, the workers that render."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from planner.expand import Expander
from planner.jobs import Jobs
from planner.kustomizations import Kustomizations
from planner.load import Loaded
from planner.parsecache import ParseCache
from planner.releases import Releases
from planner.sources import Sources
from providers import secrets
from providers.git import SourceTree
from providers.helm.pool import Renderer
from state.resource import JsonObject, RenderedRelease, SecretRef


class Expansion:
    """One expansion of one tree, kept to render again where a secret value is needed."""

    def __init__(self, expander: Expander, jobs: Jobs, cache: ParseCache) -> None:
        self._expander = expander
        self._jobs = jobs
        self._cache = cache

    def expand(self, loaded: Loaded) -> Loaded:
        """Everything expanded (`planner.expand`); what was rendered is remembered."""
        try:
            return self._expander.expand(loaded)
        finally:
            self._cache.save()
            self._jobs.close()

    def bodies(self, source: RenderedRelease) -> list[JsonObject]:
        """What a release renders to, in memory."""
        return self._jobs.bodies(source)


def open_expansion(
    loaded: Loaded,
    tree: SourceTree,
    *,
    cache: Path | None,
    key_dir: Path,
    reveal: Callable[[SecretRef], str],
) -> Expansion:
    """Everything that an expansion of this tree needs; nothing is started yet."""
    renders = ParseCache(cache, secrets.sensitive, "rendered")
    pins = secrets.Pins(key_dir)
    sources = Sources(tree, loaded.fleet.sources)
    jobs = Jobs(renderer=Renderer, cache=renders, sensitive=secrets.sensitive)
    expander = Expander(
        jobs,
        sources,
        Kustomizations(sources, pins, reveal),
        Releases(sources, loaded.fleet, pins, reveal, lambda _: None),
    )
    return Expansion(expander, jobs, renders)

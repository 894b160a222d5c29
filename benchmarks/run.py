"""`make bench`: synthetic fleets measured against the table of targets. See README.md here.

    python -P benchmarks/run.py [--sizes 10,100,1000] [--full] [--json FILE]

Exits 1 when something is broken (no objects, changes where there are none), never for being slow.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import fleets, seed, table

Numbers = dict[str, Any]
HERE = Path(__file__).parent
CHANGES = "networkx deepdiff"
"""What only a plan with changes imports: start-up, which whole processes are measured for."""
LARGEST_APPLIED = 1_000
"""Above it, the first apply is replaced by seeding: it would take minutes."""
MACHINES = 100


class Broken(Exception):
    """A measurement that measured nothing."""


def measure(name: str, root: Path, argument: str = "") -> Numbers:
    """One measurement in a fresh process; it has to have met objects."""
    done = subprocess.run(
        [sys.executable, "-P", str(HERE / "stages.py"), name, str(root), argument],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Broken(f"{name}: {' · '.join(done.stderr.strip().splitlines()[-3:])}")
    numbers: Numbers = msgspec.json.decode(done.stdout)
    print(
        f"  {name:<9} digest {numbers['digest'] or '-':<12}  {numbers['objects']:>7,} objects"
        + (f"  {numbers['changes']:,} changes" if "changes" in numbers else ""),
        file=sys.stderr,
    )
    if not numbers["objects"]:
        raise Broken(f"{name}: no objects")
    return numbers


def best(times: int, key: str, run: Callable[[], Numbers]) -> Numbers:
    """The run that other processes disturbed least."""
    return min((run() for _ in range(times)), key=lambda numbers: float(numbers[key]))


def without_cache(root: Path) -> Path:
    """Parsed files forgotten."""
    shutil.rmtree(root / ".clusterform" / "cache", ignore_errors=True)
    return root


def size(folder: Path, clusters: int) -> dict[str, Numbers]:
    """Every measurement of one fleet."""
    print(f"{clusters:,} clusters", file=sys.stderr)
    times = 3 if clusters <= 100 else 2 if clusters <= 1_000 else 1
    root = folder / f"fleet-{clusters}"
    root.mkdir()
    expected = fleets.make(root, clusters)
    found = {"first": best(times, "client", lambda: measure("first", root, CHANGES))}
    if found["first"]["changes"] < expected:
        raise Broken(f"the first plan has {found['first']['changes']} of {expected} changes")
    if clusters <= LARGEST_APPLIED:
        found["apply"] = measure("apply", root)
    else:
        shutil.rmtree(root)
        root.mkdir()
        seed.seed(root, clusters)
    found |= standing(root, clusters, times)
    chosen = [fleets.names(n) for n in fleets.one_percent(clusters)]
    measure("drift", root, ",".join(f"{team}/{name}" for team, name in chosen))
    found["drifted"] = best(times, "client", lambda: measure("plan", root, CHANGES))
    shutil.rmtree(root)
    return found


def standing(root: Path, clusters: int, times: int) -> dict[str, Numbers]:
    """Plans of a fleet that is live: nothing changed, cold and warm, and 1 % changed in Git."""
    found = {
        "cold": best(times, "client", lambda: measure("plan", without_cache(root))),
        "warm": best(times, "client", lambda: measure("plan", root)),
        "read": best(times, "wall", lambda: measure("read", root)),
    }
    if found["warm"]["changes"] or found["cold"]["changes"]:
        raise Broken(f"{found['warm']['changes']} changes where nothing changed")
    count = fleets.change(root, clusters)
    measure("plan", root)
    found["changed"] = best(times, "client", lambda: measure("plan", root, CHANGES))
    if found["changed"]["changes"] != count:
        raise Broken(f"{found['changed']['changes']} changes instead of {count}")
    fleets.undo(root)
    return found


def machines(folder: Path, clusters: int) -> dict[str, Numbers]:
    """A fleet with machines: they are read only around what changes."""
    print(f"{clusters:,} clusters × {MACHINES} machines", file=sys.stderr)
    root = folder / "machines"
    root.mkdir()
    seed.seed(root, clusters)
    count = seed.machines(root, clusters, MACHINES)
    print(f"  seeded {count:,} machines", file=sys.stderr)
    found = {"warm": measure("plan", root)}
    fleets.change(root, clusters)
    measure("plan", root)
    found["changed"] = measure("plan", root, CHANGES)
    shutil.rmtree(root)
    return found


def processes(folder: Path) -> dict[str, Any]:
    """Whole processes, best of several, and the journal on this disk."""
    print("processes", file=sys.stderr)
    root = folder / "one"
    root.mkdir()
    seed.seed(root, 1)
    program = str(Path(sys.executable).parent / "clusterform")
    return {
        "python": wall(10, [sys.executable, "-c", "pass"], root),
        "help": wall(10, [program, "--help"], root),
        "one": wall(5, [program, "plan"], root),
        "journal": best(3, "by_1", lambda: measure("journal", root)),
    }


def wall(times: int, command: list[str], root: Path) -> float:
    """Seconds of a process, the best of some."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, cwd=root, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return min(found)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="10,100,1000", help="clusters, with commas")
    parser.add_argument("--full", action="store_true", help="10,000 too, and more machines")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers as JSON too")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    sizes = [int(text) for text in options.sizes.split(",") if text]
    if options.full and 10_000 not in sizes:
        sizes.append(10_000)
    with_machines = 1_000 if options.full else 100
    load = os.getloadavg()
    began = time.perf_counter()
    everything: dict[str, Any] = {"load": load}
    with tempfile.TemporaryDirectory(prefix="clusterform-bench-") as temporary:
        folder = Path(temporary)
        try:
            everything["processes"] = processes(folder)
            listed = list(table.whole(everything["processes"]))
            for clusters in sizes:
                everything[str(clusters)] = found = size(folder, clusters)
                listed += table.rows(clusters, found)
            everything["machines"] = found = machines(folder, with_machines)
            listed += table.machines(with_machines, MACHINES, found)
        except Broken as broken:
            print(f"broken: {broken}", file=sys.stderr)
            return 1
    print(table.text(listed))
    print(
        f"\n{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {load[0]:.1f} before and"
        f" {os.getloadavg()[0]:.1f} after, {time.perf_counter() - began:.0f} s"
    )
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(everything), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

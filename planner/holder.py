"""The lock of a fleet as this process holds it: its name, its length, who may take it over."""

from __future__ import annotations

import os

from planner.workspace import Workspace
from state.errors import ClusterformError
from state.lock import LEASE_SECONDS, FleetLock, LeaseLock

LEASE_VARIABLE = "CLUSTERFORM_LEASE_SECONDS"
"""Environment variable: the length of the lock's lease, 2 to 3600 seconds (default 60)."""


def fleet_lock(
    workspace: Workspace, run: str, process: str, *, seconds: int = LEASE_SECONDS
) -> FleetLock:
    """The lock of a fleet, not yet taken. `process` tells holders of one user apart."""
    who = workspace.ids.who
    return FleetLock(
        {
            management: LeaseLock(
                workspace.store(management),
                workspace.fleet_name,
                f"{who} {process}",
                run,
                workspace.lock_clock(),
                seconds,
                alive=lambda holder: _alive(holder, workspace.ids.host),
                last_epoch=workspace.record_store(management).epoch,
                fence=workspace.record_store(management).fence,
            )
            for management in workspace.managements()
        }
    )


def _alive(holder: str, host: str) -> bool:
    """A holder on this machine is dead when its process is; elsewhere nobody can tell."""
    user, _, pid = holder.partition(" pid ")
    if not user.endswith(f"@{host}") or not pid.isdigit():
        return True
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def lease_seconds() -> int:
    """The length of a lease by the environment; raises 'bad-setting'."""
    text = os.environ.get(LEASE_VARIABLE, "")
    if not text:
        return LEASE_SECONDS
    if text.isdigit() and 2 <= int(text) <= 3600:
        return int(text)
    raise ClusterformError("bad-setting", f"{LEASE_VARIABLE} must be 2 to 3600 seconds")

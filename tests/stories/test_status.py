"""status over the sandbox: from an empty fleet to a rollout, trouble, a pause and the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planner import events
from planner import workspace as opened
from planner.cli.main import run
from planner.follow import follow
from planner.status import read_status
from planner.statustree import ClusterStatus, Node
from planner.views.status import status_text
from state.errors import ClusterformError
from tests.support.lab import Lab, capi
from tests.support.manifests import ALLOW_DESTROY, NAMESPACE, addon, cluster

FILE = "clusters/c1.yaml"
POOL = capi("machinedeployments", "team-a", "c1-md0")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.write(FILE, "---\n".join((NAMESPACE, cluster("c1", annotations=ALLOW_DESTROY))))
    made.commit()
    made.converge()
    return made


def status(lab: Lab) -> ClusterStatus:
    (found,) = read_status(lab.workspace(), "team-a/c1").clusters
    return found


def nodes(found: tuple[Node, ...]) -> Iterator[Node]:
    for node in found:
        yield node
        yield from nodes(node.children)


def shape(found: ClusterStatus) -> list[tuple[str, str]]:
    return [(n.kind or n.name, n.state) for n in nodes(found.children)]


def roll(lab: Lab) -> None:
    """Point the workers at a template of another name, as somebody with kubectl would."""
    template = lab.get(capi("devmachinetemplates", "team-a", _template(lab)))
    assert template is not None
    template["metadata"] = {"name": "other", "namespace": "team-a"}
    lab.request("POST", capi("devmachinetemplates", "team-a"), template)
    spec = {"template": {"spec": {"infrastructureRef": {"name": "other"}}}}
    lab.patch(POOL, {"spec": spec}, manager="kubectl")


def _template(lab: Lab) -> str:
    pool = lab.get(POOL)
    assert pool is not None
    return str(pool["spec"]["template"]["spec"]["infrastructureRef"]["name"])


# ---------------------------------------------------------------------- the tree


def test_a_cluster_that_is_up_has_the_tree_of_clusterctl(lab: Lab) -> None:
    found = status(lab)
    assert (found.state, found.text) == ("READY", "")
    assert shape(found) == [
        ("DevCluster", "ready"),
        ("KubeadmControlPlane", "ready"),
        ("1 machine", "ready"),
        ("workers", "ready"),
        ("MachineDeployment", "ready"),
        (f"{found.workers.wanted} machines", "ready"),
    ]
    roles = [n.role for n in nodes(found.children)]
    assert roles == ["infrastructure", "controlPlane", "machines", "workers", "pool", "machines"]
    lab.pass_time(41 * 86400)
    text = status_text(read_status(lab.workspace()), color=False, now=lab.clock.now())
    assert text.rstrip().endswith("41 d")
    assert len(text.splitlines()) == 1


def test_no_look_says_ready_between_a_change_and_the_end_of_its_rollout(lab: Lab) -> None:
    roll(lab)
    states = []
    for _ in range(400):
        found = status(lab)
        states.append(found.state)
        machines = lab.list(capi("machines", "team-a"))
        pool = [m for m in machines if "c1-md0" in m["metadata"]["name"]]
        made = [m["metadata"]["labels"]["cluster.x-k8s.io/set-name"] for m in pool]
        if found.state == "READY":
            assert len(set(made)) == 1
            assert len(lab.list(capi("machinesets", "team-a"))) == 1
            break
        lab.pass_time(0.1)
    assert len(states) > 10
    assert set(states[:-1]) == {"ROLLING"}
    assert states[-1] == "READY"


def test_a_machine_that_cannot_start_is_the_first_thing_said(lab: Lab) -> None:
    machine = next(
        m for m in lab.list(capi("machines", "team-a")) if "md0" in m["metadata"]["name"]
    )
    name = machine["metadata"]["name"]
    lab.patch(POOL, {"spec": {"paused": True}}, manager="kubectl")
    found = status(lab)
    assert found.state == "HELD"
    assert found.text.startswith("MachineDeployment c1-md0: ")
    assert "spec.paused is set" in found.text
    for body in machine["status"]["conditions"]:
        if body["type"] == "InfrastructureReady":
            body |= {"status": "False", "reason": "InternalError", "message": "* quota"}
    kept = {"conditions": machine["status"]["conditions"]}
    paused = {"metadata": {"annotations": {"cluster.x-k8s.io/paused": ""}}}
    path = capi("machines", "team-a", name)
    lab.patch(path, paused, manager="kubectl")
    lab.patch(f"{path}/status", {"status": kept}, manager="somebody")
    found = status(lab)
    assert found.state == "FAILING"
    assert found.text == f"Machine {name}: InfrastructureReady: InternalError: quota"
    assert found.since


def test_paused_and_deleted(lab: Lab) -> None:
    path = capi("clusters", "team-a", "c1")
    lab.patch(path, {"spec": {"paused": True}}, manager="kubectl")
    found = status(lab)
    assert (found.state, found.text) == ("PAUSED", "spec.paused is set")
    lab.request("DELETE", path)
    assert status(lab).state == "PAUSED"
    assert "its deletion does not go on" in status(lab).text
    lab.patch(path, {"spec": {"paused": False}}, manager="kubectl")
    lab.pass_time(0.2)
    found = status(lab)
    assert found.state == "DELETING"
    assert "1 machine left, " in found.text


def test_what_cannot_be_read_is_said_and_never_ready(lab: Lab) -> None:
    found = read_status(lab.workspace(verbs=frozenset({"get"})))
    assert found.clusters == ()
    assert len(found.unreadable) >= 1


def test_a_rollout_that_waits_for_people_is_not_waited_for(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    by_hand = "  selector: {}\n  rollout: {strategy: {type: OnDelete}}\n"
    manifest = cluster("c1").replace("  selector: {}\n", by_hand)
    lab.write(FILE, "---\n".join((NAMESPACE, manifest)))
    lab.commit()
    lab.converge()
    lab.edit(FILE, ("pool=md0", "pool=md1"))
    finished = lab.apply(lab.plan())
    assert (finished.unsettled, finished.seconds < 5) == ((), True)
    said = "2 of 2 machines are outdated until somebody deletes them"
    assert any(isinstance(e, events.Noted) and said in e.message for e in lab.events)
    found = status(lab)
    assert found.state == "READY"
    assert any(said in n.text for n in nodes(found.children))


# ---------------------------------------------------------------------- on and on


def test_following_ends_when_the_cluster_is_gone(lab: Lab) -> None:
    looks = follow(lab.workspace(), "team-a/c1")
    assert next(looks).clusters[0].state == "READY"
    lab.request("DELETE", capi("clusters", "team-a", "c1"))
    seen = [tree.clusters[0].state if tree.clusters else "" for tree in looks]
    assert {*seen} <= {"DELETING", ""}
    assert seen[-1] == ""
    with pytest.raises(ClusterformError, match="there is no cluster"):
        next(follow(lab.workspace(), "team-a/c1"))


@pytest.fixture
def shell(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(opened, "real_ids", lambda: lab.ids)
    monkeypatch.setattr(opened, "WallClock", lambda: lab.clock)
    monkeypatch.chdir(lab.root)
    return lab


def test_watching_prints_what_changed_until_it_is_interrupted(
    shell: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            shell.patch(POOL, {"spec": {"paused": True}}, manager="kubectl")
        if len(naps) == 6:
            raise KeyboardInterrupt
        shell.clock.sleep(seconds)

    ids = shell.ids
    changed = type(ids)(
        wall=ids.wall, steady=ids.steady, sleep=sleep, run_id=ids.run_id, who="w", host="h"
    )
    monkeypatch.setattr(opened, "real_ids", lambda: changed)
    assert run(["status", "team-a/c1", "--watch"]) == 130
    printed = capfd.readouterr().out
    assert printed.count("team-a/c1 ") == 2
    assert "spec.paused is set" in printed.split("\n\n")[1]
    assert set(naps) == {2.0}


def test_a_terminal_shows_only_the_newest(
    shell: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shell.request("DELETE", capi("clusters", "team-a", "c1"))
    assert run(["--color", "never", "status", "team-a/c1", "-w"]) == 0
    printed = capfd.readouterr().out.split("\x1b[H\x1b[2J\x1b[3J")
    assert printed[0] == ""
    assert "DELETING" in printed[1]
    assert printed[-1] == "There are no clusters.\n"


def test_a_file_and_json(shell: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--format", "json", "-o", "out.json"]) == 0
    assert capfd.readouterr().out == ""
    found: Any = json.loads((shell.root / "out.json").read_text())
    assert found["clusters"][0]["state"] == "READY"
    assert run(["status", "--watch", "-o", "x"]) == 1
    assert run(["status", "-o", "no/such/folder"]) == 1
    assert run(["status", "--tree"]) == 0
    assert "KubeadmControlPlane c1" in capfd.readouterr().out


def test_add_ons_are_counted_and_the_missing_one_named(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.write(FILE, "---\n".join((NAMESPACE, cluster("c1"), addon("c1"))))
    lab.commit()
    lab.converge()
    found = status(lab)
    assert found.addons is not None
    assert found.addons.ready == found.addons.wanted > 0
    assert (found.children[-1].role, found.children[-1].state) == ("addOns", "ready")

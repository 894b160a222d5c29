"""V12: networks that must not overlap, inside a cluster and between clusters that reach each other.

Upstream only parses them (Cluster API v1.14.0, core/webhooks/admission/cluster.go); overlaps are
found by packets that go the wrong way. Which clusters reach each other is taken from what says so:
one VPC or virtual network, a declared peering, or the annotation `clusterform.dev/peers`.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from planner.rules.subject import (
    Objects,
    Problem,
    Severity,
    Subject,
    annotation,
    field,
    list_at,
    map_at,
    target,
    text_at,
)
from providers.base import values
from providers.capi import CLUSTER
from state.resource import FieldPath, ResourceId

PEERS = "clusterform.dev/peers"
"""Annotation of a Cluster: names of networks it is routed into, separated by commas."""

_DECLARED = "routed network"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """One address range and where it is written."""

    what: str
    """`pods`, `services`, `network` (where the machines are)."""
    text: str
    path: FieldPath
    net: Network | None


_MACHINES = (
    "spec.network.vpc.cidrBlock",  # AWSCluster
    "spec.networkSpec.vnet.cidrBlocks[*]",  # AzureCluster
    "spec.managedSubnets[*].cidr",  # OpenStackCluster
)


def ranges(subject: Subject, objects: Objects) -> tuple[Range, ...]:
    """The ranges of a Cluster: its pods and services, and the machines' from its infrastructure."""
    found = []
    for what in ("pods", "services"):
        for path, text in values(subject.body, f"spec.clusterNetwork.{what}.cidrBlocks[*]"):
            found.append(_range(what, text, path))
    infra = target(subject.body, subject.id, "spec.infrastructureRef")
    body = objects.get(infra) if infra is not None else None
    at = field("spec.infrastructureRef")
    for dotted in _MACHINES if body is not None else ():
        found += [_range("network", text, at) for _, text in values(body or {}, dotted)]
    return tuple(found)


def _range(what: str, text: Any, path: FieldPath) -> Range:
    shown = text if isinstance(text, str) else repr(text)
    return Range(what=what, text=shown[:64], path=path, net=_network(text))


def _network(text: Any) -> Network | None:
    """As Go's net.ParseCIDR: an address with its prefix length; host bits are tolerated."""
    if not isinstance(text, str) or "/" not in text or not text.rpartition("/")[2].isdecimal():
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def overlap(one: Range, other: Range) -> bool:
    """Two ranges of one address family share addresses."""
    a, b = one.net, other.net
    if isinstance(a, ipaddress.IPv4Network) and isinstance(b, ipaddress.IPv4Network):
        return a.overlaps(b)
    if isinstance(a, ipaddress.IPv6Network) and isinstance(b, ipaddress.IPv6Network):
        return a.overlaps(b)
    return False


def inside(subject: Subject, objects: Objects) -> Iterator[Problem]:
    """V12 in one cluster: ranges that are none, and pairs that overlap."""
    if subject.id.group_kind != CLUSTER:
        return
    found = ranges(subject, objects)
    for one in found:
        if one.net is None and one.what != "network":
            reason = f"{one.what}: {one.text!r} is no address range"
            yield _problem(subject.id, one, "error", reason, "write it as 10.244.0.0/16")
    for one, other in itertools.combinations(found, 2):
        if one.what != other.what and overlap(one, other):
            reason = f"{one.what} {one.text} and {other.what} {other.text} overlap"
            # An AWS or Azure CNI gives pods addresses of the network itself.
            doubtful = {one.what, other.what} == {"pods", "network"}
            severity: Severity = "warning" if doubtful else "error"
            yield _problem(subject.id, one, severity, reason, "give each a range of its own")


def between(clusters: Iterable[Subject], objects: Objects) -> Iterator[Problem]:
    """V12 between clusters that reach each other; only over everything that Git declares."""
    meeting: dict[str, list[tuple[Subject, tuple[Range, ...]]]] = {}
    for subject in clusters:
        mine = ranges(subject, objects)
        for place in sorted(_meets(subject, objects)):
            meeting.setdefault(place, []).append((subject, mine))
    said: set[tuple[ResourceId, ResourceId]] = set()
    for place, members in sorted(meeting.items()):
        for (a, ours), (b, theirs) in itertools.combinations(members, 2):
            pair = next(
                ((x, y) for x in ours for y in theirs if _collide(place, x, y) and overlap(x, y)),
                None,
            )
            if pair is None or (a.id, b.id) in said:
                continue
            said.add((a.id, b.id))
            one, other = pair
            yield _problem(
                a.id,
                one,
                "warning",
                f"{one.what} {one.text} overlaps {other.what} {other.text} of Cluster"
                f" {b.id.qualified_name}, and both are in {place}",
                "addresses that two clusters share cannot be routed between them",
            )


def _collide(place: str, one: Range, other: Range) -> bool:
    """Machines in one network share its range; service addresses only count where routing is
    declared, since nothing outside a cluster sees them otherwise."""
    if one.what == other.what == "network":
        return False
    return place.startswith(_DECLARED) or "services" not in (one.what, other.what)


def _meets(subject: Subject, objects: Objects) -> set[str]:
    """The places where a cluster meets others, in words."""
    found = {
        f"{_DECLARED} {name.strip()!r}"
        for name in annotation(subject.body, PEERS).split(",")
        if name.strip()
    }
    infra = target(subject.body, subject.id, "spec.infrastructureRef")
    body = objects.get(infra) if infra is not None else None
    if body is None:
        return found
    vpc = text_at(body, "spec.network.vpc.id")
    if vpc:
        found.add(f"VPC {vpc}")
    vnet = map_at(body, "spec.networkSpec.vnet")
    own = text_at(vnet, "resourceGroup") or text_at(body, "spec.resourceGroup") or subject.id.name
    for place in (vnet, *list_at(vnet, "peerings")):
        name = text_at(place, "remoteVnetName") or text_at(place, "name") if place else ""
        if name:
            found.add(f"virtual network {text_at(place, 'resourceGroup') or own}/{name}")
    return found


def _problem(id_: ResourceId, at: Range, severity: Severity, reason: str, hint: str) -> Problem:
    return Problem(rule="V12", severity=severity, id=id_, field=at.path, reason=reason, hint=hint)

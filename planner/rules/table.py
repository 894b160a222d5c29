"""The rules by name: what each asks for, why, who else enforces it, and the way out.

`clusterform validate --explain V4` prints an entry; docs/validation.md is generated from all of
them. Upstream facts: Cluster API v1.14.0.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

import msgspec

from planner.rules.forms import ANNOUNCED, UNSERVED
from state.errors import ClusterformError


class Where(enum.Enum):
    """Where clusterform looks at a rule."""

    VALIDATE = "validate"
    PLAN = "plan"
    BOTH = "validate and plan"
    BY_DESIGN = "by design"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, for people."""

    id: str
    name: str
    severity: str
    where: Where
    summary: str
    """What must hold, in one line."""
    why: str
    upstream: str
    """Who else enforces it, and when."""
    way_out: str


_WEBHOOK = "Its webhook, at the write."
_NOBODY = "Nobody."
_E, _W, _EW = "error", "warning", "error or warning"

TABLE: tuple[Entry, ...] = (
    Entry(
        id="V1",
        name="version-form",
        severity=_EW,
        where=Where.BOTH,
        summary="A Kubernetes version is strict semver, written with its v.",
        why="Anything else is refused. A version without v is accepted and rewritten, so that Git"
        " and the live object differ in every plan: a warning.",
        upstream=_WEBHOOK,
        way_out="Write v1.35.2.",
    ),
    Entry(
        id="V2",
        name="version-step",
        severity=_E,
        where=Where.PLAN,
        summary="A control plane or topology goes up by one minor version at a time, never back.",
        why="kubeadm and etcd support one minor version at a time, and no way back: what the newer"
        " API server and etcd have stored, the older ones may not read. Each write of a plan is"
        " judged against the one before it, so an upgrade that is planned in two steps passes."
        " A class with kubernetesVersions or an upgrade plan extension chains steps by itself.",
        upstream="Skips: the webhooks. Downgrades: the webhook of Cluster for topologies; that of"
        " KubeadmControlPlane accepts them.",
        way_out="Put the live version or a newer one into Git; for an older one make a new cluster."
        " The annotation unsafe.topology.cluster.x-k8s.io/disable-update-version-check lifts the"
        " rule for a topology, here as upstream.",
    ),
    Entry(
        id="V3",
        name="upgrade-in-progress",
        severity=_E,
        where=Where.PLAN,
        summary="The version does not change again before the last change has come to its end.",
        why="Machines of three minor versions would run beside each other. For a topology the"
        " condition TopologyReconciled and pending hooks say so, for a KubeadmControlPlane the"
        " lowest version that still runs.",
        upstream="The webhook of Cluster, for topologies.",
        way_out="Wait until clusterform status shows it rolled out, then plan again.",
    ),
    Entry(
        id="V4",
        name="worker-skew",
        severity=_EW,
        where=Where.BOTH,
        summary="Workers are not newer than their control plane, and at most 3 minors older.",
        why="A kubelet must not be newer than the API server. The controller does not refuse such"
        " a MachineDeployment: it makes no machine and says so in a message of a condition. A"
        " plan also looks at a control plane that is live and not in Git. For a MachinePool, and"
        " where the check is switched off by annotation, it is a warning.",
        upstream="The preflight check KubernetesVersionSkew of MachineSets, silently.",
        way_out="Upgrade the control plane first, then the workers.",
    ),
    Entry(
        id="V5",
        name="kubeadm-skew",
        severity=_W,
        where=Where.BOTH,
        summary="Workers that join by kubeadm have the minor version of the control plane.",
        why="kubeadm joins only the same minor version. The machines that are there run on, but"
        " none can be added or replaced: scaling up and remediation are held.",
        upstream="The preflight check KubeadmVersionSkew of MachineSets, silently.",
        way_out="Bring the workers to the version of the control plane as well.",
    ),
    Entry(
        id="V6",
        name="supported-versions",
        severity=_W,
        where=Where.BOTH,
        summary="Cluster API supports the Kubernetes version, of the workload and of its own home.",
        why="Each release is tested with a range, which patch releases extend (1.36 needs v1.13.1"
        " or v1.12.8). The release is read from the providers file or from the controller that"
        " runs; of releases that the table lacks nothing is said.",
        upstream=_NOBODY + " The ranges stand in the book, reference/versions.",
        way_out="Choose a version in the range, or upgrade Cluster API first.",
    ),
    Entry(
        id="V7",
        name="control-plane-replicas",
        severity=_EW,
        where=Where.BOTH,
        summary="A control plane has machines, an odd number of them unless etcd is external.",
        why="etcd needs a majority: 4 members survive no more than 3. One machine is legal and"
        " a warning, which only validate gives.",
        upstream=_WEBHOOK,
        way_out="Use 3 or 5. One on purpose: annotate it with clusterform.dev/accepts: V7.",
    ),
    Entry(
        id="V8",
        name="control-plane-rollout",
        severity=_E,
        where=Where.BOTH,
        summary="A control plane rolls by RollingUpdate with maxSurge 0 or 1; 0 needs 3 machines.",
        why="It is replaced one by one. Without surge one machine goes first, which leaves no"
        " quorum to fewer than three.",
        upstream=_WEBHOOK,
        way_out="Leave the strategy out, or write maxSurge: 1.",
    ),
    Entry(
        id="V9",
        name="coredns-migration",
        severity=_E,
        where=Where.BOTH,
        summary="The image tag of CoreDNS is a version, and does not go back.",
        why="Cluster API migrates the Corefile between versions, forward only. Whether a way"
        " exists between two versions is the word of the webhook, at the dry-run of the plan.",
        upstream=_WEBHOOK,
        way_out="Go forward, or keep CoreDNS yourself: annotation"
        " controlplane.cluster.x-k8s.io/skip-coredns.",
    ),
    Entry(
        id="V10",
        name="worker-pool-shape",
        severity=_EW,
        where=Where.BOTH,
        summary="Selector, rollout limits, name template and size of a pool fit together.",
        why="A selector that misses the template's own labels would leave machines unowned; a name"
        " template without {{ .random }} gives two machines one name; limits of 0 and 0 would"
        " stand still and are read as maxUnavailable 1; replicas beside the autoscaler's"
        " annotations are decided twice.",
        upstream=_WEBHOOK + " Limits of 0 and 0, and replicas of the autoscaler: nobody.",
        way_out="Write selector: {} and leave replicas to the autoscaler.",
    ),
    Entry(
        id="V11",
        name="names",
        severity=_EW,
        where=Where.BOTH,
        summary="Names of Clusters and MachineDeployments are label values, and stay distinct.",
        why="They become labels of machines. Longer names of machines are cut, so that two pools"
        " with the same first 52 characters cannot be told apart: a warning of validate.",
        upstream="The webhooks, for label values.",
        way_out="Shorter names, with what tells them apart at the front.",
    ),
    Entry(
        id="V12",
        name="networks",
        severity=_EW,
        where=Where.BOTH,
        summary="Address ranges parse, and do not overlap in a cluster or between peered ones.",
        why="Overlapping ranges show as packets that go the wrong way, and cannot be changed later."
        " Inside a cluster: pods, services, and the machines' network where the infrastructure"
        " object has it. Between clusters (validate only): those in one VPC or virtual network, in"
        " a declared peering, or with a name in common in the annotation clusterform.dev/peers."
        " Pods inside the machines' network are a warning: some CNIs mean it.",
        upstream="The webhook, for parsing. Overlap: nobody.",
        way_out="Give each a range of its own before the cluster is made.",
    ),
    Entry(
        id="V13",
        name="health-checks",
        severity=_EW,
        where=Where.BOTH,
        summary="A MachineHealthCheck selects machines of its cluster, and lets nodes start.",
        why="An empty selector is refused, one that matches nothing guards nothing, and one that"
        " also takes the only control-plane machine promises what cannot happen."
        " nodeStartupTimeout is 0 (off) or at least 30 s.",
        upstream="The webhook, for empty selectors, foreign clusters and the timeout.",
        way_out="Select by cluster.x-k8s.io/deployment-name.",
    ),
    Entry(
        id="V14",
        name="resource-sets",
        severity=_EW,
        where=Where.BOTH,
        summary="A ClusterResourceSet selects clusters; its objects are there and of the type.",
        why="A missing ConfigMap, and a Secret that is not of type"
        " addons.cluster.x-k8s.io/resource-set, are passed over without an error.",
        upstream="The webhook, for the selector. The rest: nobody.",
        way_out="Declare the object beside the set; make the Secret anew with the type.",
    ),
    Entry(
        id="V15",
        name="cluster-names",
        severity=_EW,
        where=Where.BOTH,
        summary="clusterName is the same everywhere, and a cluster lives in one namespace.",
        why="A pool that names another cluster, or one in another namespace, waits for ever.",
        upstream="The webhooks, in part.",
        way_out="Write one name; leave namespaces out of references.",
    ),
    Entry(
        id="V16",
        name="references",
        severity=_EW,
        where=Where.BOTH,
        summary="What an object refers to is there, of an installed kind that has a contract.",
        why="A controller waits for ever for what is not there. Cluster API finds the version of a"
        " provider's kind by the label cluster.x-k8s.io/<contract> of its CRD. Objects that are"
        " in Git and of a kind that no server knows are blocked in a plan; a missing target is"
        " a warning (code `reference` in validate).",
        upstream=_NOBODY + " Conditions say so later.",
        way_out="Declare the target, or install its provider with clusterctl or its operator.",
    ),
    Entry(
        id="V17",
        name="watched",
        severity=_W,
        where=Where.BOTH,
        summary="Some controller looks at the object: at its namespace and its watch-filter label.",
        why="A provider started with --namespace or --watch-filter ignores everything else, without"
        " a word. The arguments are read from the provider's Deployment, in Git or live.",
        upstream=_NOBODY,
        way_out="Move it to a watched namespace, or set the label cluster.x-k8s.io/watch-filter.",
    ),
    Entry(
        id="V18",
        name="paused",
        severity=_W,
        where=Where.PLAN,
        summary="A change to something paused is accepted, and not acted on.",
        why="spec.paused of the Cluster or the pool, or the annotation cluster.x-k8s.io/paused,"
        " stops the controllers. The plan says so with the change, and waits end at once.",
        upstream=_NOBODY,
        way_out="Resume it, in the same change if you like.",
    ),
    Entry(
        id="V19",
        name="feature-gates",
        severity=_EW,
        where=Where.BOTH,
        summary="The feature gates that an object needs are on.",
        why="Off by default are ClusterTopology, RuntimeSDK, MachineTaintPropagation and"
        " KubeadmBootstrapFormatIgnition; MachinePool is on. They are read from the"
        " provider's Deployment, in Git or live. The default of a release that is not known here"
        " gives a warning.",
        upstream=_WEBHOOK,
        way_out="Start the provider with --feature-gates=<gate>=true.",
    ),
    Entry(
        id="V20",
        name="deletion-in-use",
        severity=_E,
        where=Where.PLAN,
        summary="Nothing is deleted that a cluster still uses.",
        why="Infrastructure, control plane, templates, identities and their Secrets, ClusterClasses"
        " and namespaces go without a question, and leave clusters that cannot replace a machine"
        " or cloud resources that cannot be deleted. Naming them on the command line changes"
        " nothing: this is no question of permission.",
        upstream="The webhook of ClusterClass. The rest: nobody.",
        way_out="Let the user go first, or point it to something else in the same change.",
    ),
    Entry(
        id="V21",
        name="template-rotation",
        severity="none",
        where=Where.BY_DESIGN,
        summary="A template whose content changes gets a new name.",
        why="Cluster API replaces machines when the name of a template changes. An edit in place is"
        " refused by some providers and ignored for existing machines by others (Metal3, Packet,"
        " BYOH, KubeadmConfigTemplate), which makes mixed fleets. clusterform never edits a"
        " template: it makes the next generation under a hashed name, points its users to it, and"
        " prunes the old one (docs/semantics.md 16 to 18). There is nothing to report.",
        upstream="Some webhooks.",
        way_out="None is needed.",
    ),
    Entry(
        id="V22",
        name="externally-managed",
        severity=_W,
        where=Where.VALIDATE,
        summary="Infrastructure with cluster.x-k8s.io/managed-by is made ready by somebody else.",
        why="Its provider leaves it alone. A new cluster waits until that tool sets the status and"
        " the endpoint.",
        upstream="By design of the contract.",
        way_out="Make sure that the tool runs; accept it with clusterform.dev/accepts: V22.",
    ),
    Entry(
        id="V23",
        name="old-api-versions",
        severity=_W,
        where=Where.BOTH,
        summary="Cluster API's own objects are written in v1beta2.",
        why=f"v1beta1 is deprecated since v1.11 and not served from {UNSERVED} on, which is"
        f" announced for {ANNOUNCED}. From then on such a file cannot be applied. One warning"
        " for each file, and one for the changes of a plan. Providers' own kinds have versions"
        " of their own and are not meant.",
        upstream="A warning of the API server.",
        way_out="clusterctl convert converts the core group.",
    ),
    Entry(
        id="V24",
        name="no-empty-fields",
        severity=_E,
        where=Where.BOTH,
        summary="Optional fields of v1beta2 have content or are left out.",
        why='v1beta2 refuses {}, [] and "" where v1beta1 took them. validate knows the usual fields'
        " and, where the CRDs are in Git, all of them; the rest is the server's word at the"
        " dry-run of the plan.",
        upstream="The schemas of the CRDs.",
        way_out="Leave the field out.",
    ),
    Entry(
        id="V25",
        name="identity-namespaces",
        severity=_EW,
        where=Where.BOTH,
        summary="An identity allows the namespace of the cluster that uses it.",
        why="AWS and Azure: allowedNamespaces with list or selector, {} for all, nothing for none."
        " vSphere: allowedNamespaces.selector. OpenStack: namespaceSelector, nothing for all. A"
        " selector that does not match is a warning: others may label the namespace.",
        upstream="The providers' controllers, late, in a condition.",
        way_out="Add the namespace to the identity.",
    ),
    Entry(
        id="V26",
        name="rollouts-due",
        severity=_W,
        where=Where.PLAN,
        summary="Machines that are replaced soon without any change are named.",
        why="rollout.after and rollout.before.certificatesExpiryDays start rollouts by the clock;"
        " without the latter, certificates of control-plane machines run out after a year. A plan"
        " looks 14 days ahead, in the clusters that it changes.",
        upstream="By design.",
        way_out="Plan the rollout yourself, or set rollout.before.certificatesExpiryDays.",
    ),
)

_BY_ID = {entry.id: entry for entry in TABLE}


def find(text: str) -> Entry:
    """A rule by its id or name, whatever the case; raises with the list of ids."""
    wanted = text.strip()
    found = _BY_ID.get(wanted.upper())
    found = found or next((e for e in TABLE if e.name == wanted.lower()), None)
    if found is None:
        raise ClusterformError(
            "unknown-rule",
            f"there is no rule {wanted!r}",
            hint=f"the rules are {', '.join(_BY_ID)}",
        )
    return found


def explanation(entry: Entry) -> Iterator[tuple[str, str]]:
    """(label, text) of an entry, in the order to read it in."""
    yield "why", entry.why
    yield "severity", entry.severity
    yield "looked at in", entry.where.value
    yield "else enforced by", entry.upstream
    yield "way out", entry.way_out

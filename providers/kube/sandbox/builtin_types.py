"""The Go types of the built-in kinds as compact text: fields, list types, defaults.

From the OpenAPI of kube-apiserver 1.36 (list types, atomic structs) and `k8s.io/api` (pointers,
`omitempty`). One line a type, continued by two spaces: `Name` granular, `Name!` atomic, `Name~` not all fields listed (an
unlisted one is answered 501, never guessed). A field is
`name[list]{map}:Type?=default`:

    []       atomic list         [a,b]  associative list by a and b      [=]  set
    {}       granular map        {!}    atomic map
    :Type    str (when left out), int, bool, num, qty (quantity), ios (int or string), any, a type
    ?        a pointer, or always written: its zero value is kept
    =value   the server's default, in JSON
"""

from __future__ import annotations

import re

import msgspec

from providers.kube.sandbox.schema import ANY, Listing, Schema

METADATA = """
OwnerReference! apiVersion? kind? name? uid? controller:bool? blockOwnerDeletion:bool?
ObjectMeta name generateName namespace selfLink uid resourceVersion generation:int creationTimestamp
  deletionTimestamp deletionGracePeriodSeconds:int? labels{} annotations{}
  ownerReferences[uid]:OwnerReference finalizers[=] managedFields[]:any
TemplateMeta name generateName namespace creationTimestamp labels{} annotations{}
  ownerReferences[uid]:OwnerReference finalizers[=]
"""

CORE = """
Expression key? operator? values[]
LabelSelector! matchLabels{} matchExpressions[]:Expression
Condition type? status? reason? message? lastTransitionTime? lastUpdateTime? lastProbeTime?
  lastHeartbeatTime? observedGeneration:int
LocalRef! name
ObjectRef! kind namespace name uid apiVersion resourceVersion fieldPath
TypedRef! apiGroup? kind? name? namespace?
KeySelector! name key? optional:bool?
FieldSelector! apiVersion="v1" fieldPath?
ResourceFieldSelector! containerName resource? divisor:qty
FileSelector! volumeName? path? key? optional:bool?
EnvSource fieldRef:FieldSelector resourceFieldRef:ResourceFieldSelector configMapKeyRef:KeySelector
  secretKeyRef:KeySelector fileKeyRef:FileSelector
EnvVar name? value valueFrom:EnvSource
SourceRef name optional:bool?
EnvFrom prefix configMapRef:SourceRef secretRef:SourceRef
ContainerPort name hostPort:int containerPort:int? protocol="TCP" hostIP
Claim name? request
Resources limits{}:qty requests{}:qty claims[name]:Claim
HttpHeader name? value?
HttpGet path="/" port:ios? host scheme="HTTP" httpHeaders[]:HttpHeader
TcpSocket port:ios? host
Grpc port:int? service?=""
Exec command[]
Sleep seconds:int?
Probe exec:Exec httpGet:HttpGet tcpSocket:TcpSocket grpc:Grpc initialDelaySeconds:int
  timeoutSeconds:int=1 periodSeconds:int=10 successThreshold:int=1 failureThreshold:int=3
  terminationGracePeriodSeconds:int?
Handler exec:Exec httpGet:HttpGet tcpSocket:TcpSocket sleep:Sleep
Lifecycle postStart:Handler preStop:Handler stopSignal?
Capabilities add[] drop[]
SELinux user role type level
WindowsOptions gmsaCredentialSpecName? gmsaCredentialSpec? runAsUserName? hostProcess:bool?
Profile type? localhostProfile?
ContainerSecurity capabilities:Capabilities privileged:bool? seLinuxOptions:SELinux
  windowsOptions:WindowsOptions runAsUser:int? runAsGroup:int? runAsNonRoot:bool?
  readOnlyRootFilesystem:bool? allowPrivilegeEscalation:bool? procMount? seccompProfile:Profile
  appArmorProfile:Profile
Mount name? readOnly:bool recursiveReadOnly? mountPath? subPath mountPropagation? subPathExpr
Device name? devicePath?
ResizePolicy resourceName? restartPolicy?
ExitCodes operator? values[=]:int
RestartRule action? exitCodes:ExitCodes
Container name? image command[] args[] workingDir ports[containerPort,protocol]:ContainerPort
  envFrom[]:EnvFrom env[name]:EnvVar resources:Resources={} resizePolicy[]:ResizePolicy
  restartPolicy? restartPolicyRules[]:RestartRule volumeMounts[mountPath]:Mount
  volumeDevices[devicePath]:Device livenessProbe:Probe readinessProbe:Probe startupProbe:Probe
  lifecycle:Lifecycle terminationMessagePath="/dev/termination-log" terminationMessagePolicy="File"
  imagePullPolicy securityContext:ContainerSecurity stdin:bool stdinOnce:bool tty:bool
  targetContainerName
KeyPath key? path? mode:int?
SecretVolume secretName items[]:KeyPath defaultMode:int?=420 optional:bool?
MapVolume name items[]:KeyPath defaultMode:int?=420 optional:bool?
MapProjection name items[]:KeyPath optional:bool?
TokenProjection audience expirationSeconds:int?=3600 path?
DownwardFile path? fieldRef:FieldSelector resourceFieldRef:ResourceFieldSelector mode:int?
DownwardVolume items[]:DownwardFile defaultMode:int?=420
DownwardProjection items[]:DownwardFile
BundleProjection name? signerName? labelSelector:LabelSelector optional:bool? path?
Projection~ secret:MapProjection configMap:MapProjection downwardAPI:DownwardProjection
  serviceAccountToken:TokenProjection clusterTrustBundle:BundleProjection
ProjectedVolume sources[]:Projection defaultMode:int?=420
EmptyDir medium sizeLimit:qty
HostPath path? type?=""
Nfs server? path? readOnly:bool
CsiVolume driver? readOnly:bool? fsType? volumeAttributes{} nodePublishSecretRef:LocalRef
ClaimVolume claimName? readOnly:bool
ClaimTemplate metadata:TemplateMeta spec:ClaimSpec
EphemeralVolume volumeClaimTemplate:ClaimTemplate
ImageVolume reference pullPolicy
Volume~ name? emptyDir:EmptyDir hostPath:HostPath secret:SecretVolume configMap:MapVolume
  projected:ProjectedVolume downwardAPI:DownwardVolume persistentVolumeClaim:ClaimVolume
  csi:CsiVolume ephemeral:EphemeralVolume nfs:Nfs image:ImageVolume
Requirement key? operator? values[]
NodeTerm! matchExpressions[]:Requirement matchFields[]:Requirement
NodeSelector! nodeSelectorTerms[]?:NodeTerm
PreferredNode weight:int? preference:NodeTerm
NodeAffinity requiredDuringSchedulingIgnoredDuringExecution:NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution[]:PreferredNode
PodTerm labelSelector:LabelSelector namespaces[] topologyKey? namespaceSelector:LabelSelector
  matchLabelKeys[] mismatchLabelKeys[]
PreferredPod weight:int? podAffinityTerm:PodTerm
PodAffinity requiredDuringSchedulingIgnoredDuringExecution[]:PodTerm
  preferredDuringSchedulingIgnoredDuringExecution[]:PreferredPod
Affinity nodeAffinity:NodeAffinity podAffinity:PodAffinity podAntiAffinity:PodAffinity
Toleration key operator value effect tolerationSeconds:int?
HostAlias ip? hostnames[]
DnsOption name value?
DnsConfig nameservers[] searches[] options[]:DnsOption
Spread maxSkew:int? topologyKey? whenUnsatisfiable? labelSelector:LabelSelector minDomains:int?
  nodeAffinityPolicy? nodeTaintsPolicy? matchLabelKeys[]
Sysctl name? value?
PodSecurity seLinuxOptions:SELinux windowsOptions:WindowsOptions runAsUser:int? runAsGroup:int?
  runAsNonRoot:bool? supplementalGroups[]:int supplementalGroupsPolicy? fsGroup:int?
  sysctls[]:Sysctl fsGroupChangePolicy? seccompProfile:Profile appArmorProfile:Profile
  seLinuxChangePolicy?
PodOs name?
Gate name?
ReadinessGate conditionType?
PodClaim name? resourceClaimName? resourceClaimTemplateName?
PodSpec~ volumes[name]:Volume initContainers[name]:Container containers[name]?:Container
  ephemeralContainers[name]:Container restartPolicy="Always" terminationGracePeriodSeconds:int?=30
  activeDeadlineSeconds:int? dnsPolicy="ClusterFirst" nodeSelector{!} serviceAccountName
  serviceAccount automountServiceAccountToken:bool? nodeName hostNetwork:bool hostPID:bool
  hostIPC:bool shareProcessNamespace:bool? securityContext:PodSecurity={}
  imagePullSecrets[name]:LocalRef hostname subdomain affinity:Affinity
  schedulerName="default-scheduler" tolerations[]:Toleration hostAliases[ip]:HostAlias
  priorityClassName priority:int? dnsConfig:DnsConfig readinessGates[]:ReadinessGate
  runtimeClassName? enableServiceLinks:bool? preemptionPolicy? overhead{}:qty
  topologySpreadConstraints[topologyKey,whenUnsatisfiable]:Spread setHostnameAsFQDN:bool? os:PodOs
  hostUsers:bool? schedulingGates[name]:Gate resourceClaims[name]:PodClaim resources:Resources
PodTemplate metadata:TemplateMeta={} spec:PodSpec
PodIp ip
PodStatus~ phase conditions[type]:Condition message reason nominatedNodeName hostIP hostIPs[]:any
  podIP podIPs[ip]:PodIp startTime? initContainerStatuses[]:any containerStatuses[]:any
  ephemeralContainerStatuses[]:any qosClass observedGeneration:int
Pod spec:PodSpec status:PodStatus={}
ConfigMap data{} binaryData{} immutable:bool?
Secret data{} stringData{} type="Opaque" immutable:bool?
SecretRef! name namespace kind uid apiVersion resourceVersion fieldPath
ServiceAccount secrets[name]:SecretRef imagePullSecrets[]:LocalRef
  automountServiceAccountToken:bool?
NamespaceSpec finalizers[]
NamespaceStatus phase conditions[type]:Condition
Namespace spec:NamespaceSpec={} status:NamespaceStatus={}
ServicePort name protocol="TCP" appProtocol? port:int? targetPort:ios? nodePort:int
ClientIp timeoutSeconds:int?
AffinityConfig clientIP:ClientIp
ServiceSpec ports[port,protocol]:ServicePort selector{!} clusterIP clusterIPs[] type="ClusterIP"
  externalIPs[] sessionAffinity="None" loadBalancerIP loadBalancerSourceRanges[] externalName
  externalTrafficPolicy healthCheckNodePort:int publishNotReadyAddresses:bool
  sessionAffinityConfig:AffinityConfig ipFamilies[] ipFamilyPolicy?
  allocateLoadBalancerNodePorts:bool? loadBalancerClass? internalTrafficPolicy? trafficDistribution?
LoadBalancer ingress[]:any
ServiceStatus loadBalancer:LoadBalancer={} conditions[type]:Condition
Service spec:ServiceSpec status:ServiceStatus={}
Taint key? value effect? timeAdded?
NodeSpec~ podCIDR podCIDRs[=] providerID unschedulable:bool taints[]:Taint
NodeAddress type? address?
NodeStatus~ capacity{}:qty allocatable{}:qty phase conditions[type]:Condition
  addresses[type]:NodeAddress daemonEndpoints:any nodeInfo:any images[]:any volumesInUse[]
  volumesAttached[]:any features:any runtimeHandlers[]:any declaredFeatures[]
Node spec:NodeSpec={} status:NodeStatus={}
ClaimSpec accessModes[] selector:LabelSelector resources:Resources={} volumeName storageClassName?
  volumeMode?="Filesystem" dataSource:TypedRef dataSourceRef:TypedRef volumeAttributesClassName?
ClaimStatus~ phase="Pending" accessModes[] capacity{}:qty conditions[type]:Condition
PersistentVolumeClaim spec:ClaimSpec status:ClaimStatus={}
CsiPv~ driver? volumeHandle? readOnly:bool fsType volumeAttributes{}
LocalPv path? fsType?
PvAffinity required:NodeSelector
ClaimRef kind namespace name uid apiVersion resourceVersion fieldPath
PvSpec~ capacity{}:qty csi:CsiPv hostPath:HostPath nfs:Nfs local:LocalPv accessModes[]
  claimRef:ClaimRef persistentVolumeReclaimPolicy="Retain" storageClassName mountOptions[]
  volumeMode?="Filesystem" nodeAffinity:PvAffinity volumeAttributesClassName?
PvStatus phase="Pending" message reason lastPhaseTransitionTime?
PersistentVolume spec:PvSpec status:PvStatus={}
EventSource component host
EventSeries count:int lastObservedTime
Event involvedObject:ObjectRef reason message source:EventSource={} firstTimestamp? lastTimestamp?
  count:int type eventTime? series:EventSeries action related:ObjectRef reportingComponent?=""
  reportingInstance?=""
"""

APPS = """
RollingUpdate maxUnavailable:ios? maxSurge:ios? partition:int?
Strategy type rollingUpdate:RollingUpdate
DeploymentSpec replicas:int?=1 selector:LabelSelector template:PodTemplate strategy:Strategy={}
  minReadySeconds:int revisionHistoryLimit:int?=10 paused:bool progressDeadlineSeconds:int?=600
WorkloadStatus~ observedGeneration:int replicas:int updatedReplicas:int readyReplicas:int
  availableReplicas:int unavailableReplicas:int terminatingReplicas:int? conditions[type]:Condition
  collisionCount:int? fullyLabeledReplicas:int currentReplicas:int currentRevision updateRevision
Deployment spec:DeploymentSpec status:WorkloadStatus={}
ReplicaSetSpec replicas:int?=1 minReadySeconds:int selector:LabelSelector template:PodTemplate
ReplicaSetStatus observedGeneration:int replicas:int? readyReplicas:int availableReplicas:int
  fullyLabeledReplicas:int terminatingReplicas:int? conditions[type]:Condition
ReplicaSet spec:ReplicaSetSpec status:ReplicaSetStatus={"replicas":0}
DaemonSetSpec selector:LabelSelector template:PodTemplate updateStrategy:Strategy={}
  minReadySeconds:int revisionHistoryLimit:int?=10
DaemonSetStatus currentNumberScheduled:int?=0 numberMisscheduled:int?=0
  desiredNumberScheduled:int?=0 numberReady:int?=0 observedGeneration:int updatedNumberScheduled:int
  numberAvailable:int numberUnavailable:int collisionCount:int? conditions[type]:Condition
DaemonSet spec:DaemonSetSpec status:DaemonSetStatus={}
Retention whenDeleted="Retain" whenScaled="Retain"
Ordinals start:int?
ClaimObject apiVersion kind metadata:TemplateMeta spec:ClaimSpec status:ClaimStatus={}
StatefulSetSpec replicas:int?=1 selector:LabelSelector template:PodTemplate
  volumeClaimTemplates[]:ClaimObject serviceName?="" podManagementPolicy="OrderedReady"
  updateStrategy:Strategy={} revisionHistoryLimit:int?=10 minReadySeconds:int
  persistentVolumeClaimRetentionPolicy:Retention={} ordinals:Ordinals
StatefulSetStatus observedGeneration:int replicas:int?=0 readyReplicas:int currentReplicas:int
  updatedReplicas:int currentRevision updateRevision collisionCount:int? conditions[type]:Condition
  availableReplicas:int?=0
StatefulSet spec:StatefulSetSpec status:StatefulSetStatus={}
JobSpec~ parallelism:int?=1 completions:int? activeDeadlineSeconds:int? backoffLimit:int?=6
  selector:LabelSelector manualSelector:bool? template:PodTemplate ttlSecondsAfterFinished:int?
  completionMode?="NonIndexed" suspend:bool?=false podReplacementPolicy?="TerminatingOrFailed"
  backoffLimitPerIndex:int? maxFailedIndexes:int? managedBy?
JobStatus~ conditions[]:Condition startTime? completionTime? active:int succeeded:int failed:int
  ready:int? terminating:int? uncountedTerminatedPods:any
Job spec:JobSpec status:JobStatus={}
CronJobTemplateSpec~ parallelism:int? completions:int? activeDeadlineSeconds:int? backoffLimit:int?
  selector:LabelSelector manualSelector:bool? template:PodTemplate ttlSecondsAfterFinished:int?
  completionMode? suspend:bool? podReplacementPolicy?
JobTemplate metadata:TemplateMeta={} spec:CronJobTemplateSpec
CronJobSpec schedule? timeZone? startingDeadlineSeconds:int? concurrencyPolicy="Allow"
  suspend:bool?=false jobTemplate:JobTemplate successfulJobsHistoryLimit:int?=3
  failedJobsHistoryLimit:int?=1
CronJobStatus active[]:ObjectRef lastScheduleTime? lastSuccessfulTime?
CronJob spec:CronJobSpec status:CronJobStatus={}
"""

POLICY = """
PolicyRule verbs[]? apiGroups[] resources[] resourceNames[] nonResourceURLs[]
Role rules[]?:PolicyRule
Aggregation clusterRoleSelectors[]:LabelSelector
ClusterRole rules[]?:PolicyRule aggregationRule:Aggregation
RoleRef! apiGroup? kind? name?
Subject! kind? apiGroup name? namespace
RoleBinding subjects[]:Subject roleRef:RoleRef
PolicyPort protocol? port:ios? endPort:int?
IpBlock cidr? except[]
Peer podSelector:LabelSelector namespaceSelector:LabelSelector ipBlock:IpBlock
IngressRule ports[]:PolicyPort from[]:Peer
EgressRule ports[]:PolicyPort to[]:Peer
NetworkPolicySpec podSelector:LabelSelector ingress[]:IngressRule egress[]:EgressRule policyTypes[]
NetworkPolicy spec:NetworkPolicySpec
BudgetSpec minAvailable:ios? maxUnavailable:ios? selector:LabelSelector unhealthyPodEvictionPolicy?
BudgetStatus observedGeneration:int disruptedPods{} disruptionsAllowed:int?=0 currentHealthy:int?=0
  desiredHealthy:int?=0 expectedPods:int?=0 conditions[type]:Condition
PodDisruptionBudget spec:BudgetSpec status:BudgetStatus={}
BackendPort! name number:int
ServiceBackend name? port:BackendPort={}
IngressBackend service:ServiceBackend resource:TypedRef
IngressPath path pathType? backend:IngressBackend
IngressHttp paths[]:IngressPath
IngressHost host http:IngressHttp
Tls hosts[] secretName
IngressSpec ingressClassName? defaultBackend:IngressBackend tls[]:Tls rules[]:IngressHost
IngressStatus loadBalancer:LoadBalancer={}
Ingress spec:IngressSpec status:IngressStatus={}
TopologyRequirement key? values[]
TopologyTerm! matchLabelExpressions[]:TopologyRequirement
StorageClass provisioner? parameters{} reclaimPolicy?="Delete" mountOptions[]
  allowVolumeExpansion:bool? volumeBindingMode?="Immediate" allowedTopologies[]:TopologyTerm
PriorityClass value:int? globalDefault:bool description preemptionPolicy?="PreemptLowerPriority"
CrossRef kind? name? apiVersion
ScalingPolicy type? value:int? periodSeconds:int?
ScalingRules stabilizationWindowSeconds:int? selectPolicy? policies[]:ScalingPolicy tolerance:qty
Behavior scaleUp:ScalingRules scaleDown:ScalingRules
HpaSpec scaleTargetRef:CrossRef minReplicas:int?=1 maxReplicas:int? metrics[]:any behavior:Behavior
HpaStatus observedGeneration:int? lastScaleTime? currentReplicas:int desiredReplicas:int?=0
  currentMetrics[]:any conditions[type]:Condition
HorizontalPodAutoscaler spec:HpaSpec status:HpaStatus={}
LeaseSpec holderIdentity? leaseDurationSeconds:int? acquireTime? renewTime? leaseTransitions:int?
  strategy? preferredHolder?
Lease spec:LeaseSpec={}
"""

EXTENSION = """
CrdNames plural? singular shortNames[] kind? listKind categories[]
CrdService namespace? name? path? port:int?=443
CrdClient url? service:CrdService caBundle
CrdWebhook clientConfig:CrdClient conversionReviewVersions[]?
Conversion strategy?="None" webhook:CrdWebhook
PrinterColumn name? type? format description priority:int jsonPath?
CrdScale specReplicasPath? statusReplicasPath? labelSelectorPath?
CrdSubresources status:any scale:CrdScale
CrdSchema openAPIV3Schema:any
SelectableField jsonPath?
CrdVersion name? served:bool? storage:bool? deprecated:bool deprecationWarning? schema:CrdSchema
  subresources:CrdSubresources additionalPrinterColumns[]:PrinterColumn
  selectableFields[]:SelectableField
CrdSpec group? names:CrdNames scope? versions[]?:CrdVersion conversion:Conversion={}
  preserveUnknownFields:bool
CrdStatus conditions[type]:Condition acceptedNames:CrdNames storedVersions[]? observedGeneration:int
CustomResourceDefinition spec:CrdSpec status:CrdStatus
ApiServiceRef namespace name port:int?=443
ApiServiceSpec service:ApiServiceRef group version insecureSkipTLSVerify:bool caBundle
  groupPriorityMinimum:int? versionPriority:int?
ApiServiceStatus conditions[type]:Condition
APIService spec:ApiServiceSpec status:ApiServiceStatus={}
RuleWithOperations operations[] apiGroups[] apiVersions[] resources[] scope?="*"
NamedRule! operations[] apiGroups[] apiVersions[] resources[] scope?="*" resourceNames[]
MatchCondition name? expression?
WebhookClient url? service:CrdService caBundle
Webhook name? clientConfig:WebhookClient rules[]:RuleWithOperations failurePolicy?="Fail"
  matchPolicy?="Equivalent" namespaceSelector:LabelSelector={} objectSelector:LabelSelector={}
  sideEffects? timeoutSeconds:int?=10 admissionReviewVersions[]?
  matchConditions[name]:MatchCondition reinvocationPolicy?
ValidatingWebhookConfiguration webhooks[name]:Webhook
MutatingWebhookConfiguration webhooks[name]:Webhook
MatchResources! namespaceSelector:LabelSelector={} objectSelector:LabelSelector={}
  resourceRules[]:NamedRule excludeResourceRules[]:NamedRule matchPolicy?="Equivalent"
ParamKind! apiVersion kind
Validation expression? message reason? messageExpression
AuditAnnotation key? valueExpression?
Variable! name? expression?
VapSpec paramKind:ParamKind matchConstraints:MatchResources validations[]:Validation
  failurePolicy?="Fail" auditAnnotations[]:AuditAnnotation matchConditions[name]:MatchCondition
  variables[name]:Variable
VapStatus observedGeneration:int typeChecking:any conditions[type]:Condition
ValidatingAdmissionPolicy spec:VapSpec status:VapStatus={}
ParamRef! name namespace selector:LabelSelector parameterNotFoundAction?
VapBindingSpec policyName paramRef:ParamRef matchResources:MatchResources validationActions[=]
ValidatingAdmissionPolicyBinding spec:VapBindingSpec
"""

_FIELD = re.compile(
    r"^(?P<name>[\w$.-]+)(?P<list>\[[^]]*\])?(?P<map>\{!?\})?(?P<late>\?)?"
    r"(?::(?P<type>\w+))?(?P<pointer>\?)?(?:=(?P<default>.+))?$"
)

_SCALARS = {
    "str": Schema(type="string"),
    "int": Schema(type="integer"),
    "num": Schema(type="number"),
    "bool": Schema(type="boolean"),
    "qty": Schema(type="string", scalar="quantity"),
    "ios": Schema(scalar="int-or-string"),
    "any": ANY,
}


class TypeTable:
    """The types of a table text, compiled on first use: most processes need a handful."""

    def __init__(self, *texts: str) -> None:
        lines = [line for text in texts for line in text.strip().replace("\n  ", " ").splitlines()]
        self._source = {line.split(" ", 1)[0].rstrip("!~"): line for line in lines}
        self._compiled: dict[str, Schema] = {}

    def __getitem__(self, name: str) -> Schema:
        """The schema of a type; KeyError for a name the table lacks."""
        if name in _SCALARS:
            return _SCALARS[name]
        if name not in self._compiled:
            self._compiled[name] = self._struct(self._source[name])
        return self._compiled[name]

    def __iter__(self) -> object:
        return iter(self._source)

    def _struct(self, line: str) -> Schema:
        name, *fields = line.split(" ")
        return Schema(
            type="object",
            atomic=name.endswith("!"),
            partial=name.endswith("~"),
            fields=dict(self._field(text) for text in fields),
        )

    def _field(self, text: str) -> tuple[str, Schema]:
        found = _FIELD.match(text)
        if found is None:
            raise ValueError(f"not a field: {text!r}")
        inner = self[found["type"] or "str"]
        kept = bool(found["late"] or found["pointer"])
        default = msgspec.json.decode(found["default"]) if found["default"] else msgspec.UNSET
        if found["list"]:
            return found["name"], _list(found["list"][1:-1], inner, kept)
        if found["map"]:
            atomic = found["map"] == "{!}"
            return found["name"], Schema(
                type="object", extra=inner, atomic=atomic, dropped=not kept
            )
        dropped = not kept and inner.type in ("string", "integer", "number", "boolean")
        return found["name"], msgspec.structs.replace(inner, dropped=dropped, default=default)


def _list(keys: str, items: Schema, kept: bool) -> Schema:
    listing: Listing = "set" if keys == "=" else "map" if keys else "atomic"
    names = tuple(keys.split(",")) if listing == "map" else ()
    return Schema(type="array", listing=listing, keys=names, items=items, dropped=not kept)

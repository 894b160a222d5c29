"""Types of the core group's kinds, in the notation of `builtin_types`."""

from __future__ import annotations

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

"""Types of the other groups' kinds, in the notation of `builtin_types`."""

from __future__ import annotations

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

{{/*
layerRouting.refusals is one CEL expression for every hard row of the controller's table of features that virtual nodes refuse:
true means that the pod uses the feature. The names are the table's, and a test holds the two together. What is behind a claim
is not seen at admission: it may be File Storage or anything else, so that claims pass only where both rules are disabled.
*/}}
{{- define "layerRouting.refusals" -}}
{{- $all := "(object.spec.containers + object.spec.?initContainers.orValue([]))" -}}
{{- $security := printf "%s.map(c, c.?securityContext.orValue({}))" $all -}}
{{- $pod := "object.spec.?securityContext.orValue({})" -}}
{{- $volumes := "object.spec.?volumes.orValue([])" -}}
{{- $ports := printf "%s.exists(c, c.?ports.orValue([]).exists(p," $all -}}
{{- $mounts := printf "%s.exists(c, c.?volumeMounts.orValue([]).exists(m," $all -}}
{{- $probes := printf "%s.exists(c, [c.?livenessProbe, c.?readinessProbe, c.?startupProbe].exists(p," $all -}}
{{- $owner := "object.metadata.?ownerReferences.orValue([]).exists(o," -}}
{{- $amounts := printf "(%s + [object.spec]).map(c, c.?resources.orValue({})).exists(r, [r.?requests.orValue({}), r.?limits.orValue({})].exists(l, l.exists(k," $all -}}
daemonset: {{ $owner }} o.apiVersion == 'apps/v1' && o.kind == 'DaemonSet')
static-pod: {{ $owner }} o.apiVersion == 'v1' && o.kind == 'Node')
karpenter-labels: {{ include "layerRouting.selects" "(k.startsWith('karpenter.sh/') || k.startsWith('karpenter.k8s.oracle/')) && k != 'karpenter.k8s.oracle/layer'" }}
extended-resources: {{ $amounts }} !(k in ['cpu', 'memory', 'ephemeral-storage', 'storage']) && !k.startsWith('hugepages-') && sign(quantity(l[k])) > 0)))
hugepages: {{ $amounts }} k.startsWith('hugepages-') && sign(quantity(l[k])) > 0)))
resource-claims: size(object.spec.?resourceClaims.orValue([])) > 0 || {{ $all }}.exists(c, size(c.?resources.claims.orValue([])) > 0)
too-large: {{ include "layerRouting.exceeds" (list "cpu" "128.0005") }} || {{ include "layerRouting.exceeds" (list "memory" "1099511627776.5") }}
ephemeral-storage: {{ include "layerRouting.exceeds" (list "ephemeral-storage" "16106127360.5") }}
windows: object.spec.?os.name.orValue('') == 'windows'
runtime-class: object.spec.?runtimeClassName.orValue('') != '' || size(object.spec.?overhead.orValue({})) > 0
file-storage-claim: {{ $volumes }}.exists(v, has(v.persistentVolumeClaim))
persistent-volume-claim: {{ $volumes }}.exists(v, has(v.persistentVolumeClaim))
ephemeral-volume: {{ $volumes }}.exists(v, has(v.ephemeral))
host-path: {{ $volumes }}.exists(v, has(v.hostPath))
network-volume: {{ $volumes }}.exists(v, has(v.nfs) || has(v.iscsi) || has(v.cephfs))
other-volume: {{ $volumes }}.exists(v, v.exists(k, !(k in ['name', 'emptyDir', 'configMap', 'secret', 'projected', 'downwardAPI', 'persistentVolumeClaim', 'ephemeral', 'hostPath', 'nfs', 'iscsi', 'cephfs'])))
several-empty-dirs: size({{ $volumes }}.filter(v, has(v.emptyDir))) > 1
empty-dir-size-limit: {{ $volumes }}.exists(v, has(v.emptyDir) && has(v.emptyDir.sizeLimit))
empty-dir-medium: {{ $volumes }}.exists(v, !(v.?emptyDir.medium.orValue('') in ['', 'Memory']))
file-modes: {{ include "layerRouting.fileModes" $volumes }}
downward-api-resources: >-
  {{ $all }}.exists(c, c.?env.orValue([]).exists(e, e.?valueFrom.resourceFieldRef.hasValue())) ||
  {{ $volumes }}.exists(v, v.?downwardAPI.items.orValue([]).exists(i, has(i.resourceFieldRef)) ||
  v.?projected.sources.orValue([]).exists(s, s.?downwardAPI.items.orValue([]).exists(i, has(i.resourceFieldRef))))
sub-path: {{ $mounts }} m.?subPath.orValue('') != '' || m.?subPathExpr.orValue('') != ''))
mount-propagation: {{ $mounts }} m.?mountPropagation.orValue('None') != 'None'))
volume-devices: {{ $all }}.exists(c, size(c.?volumeDevices.orValue([])) > 0)
init-containers: size(object.spec.?initContainers.orValue([])) > 0
ephemeral-containers: size(object.spec.?ephemeralContainers.orValue([])) > 0
host-network: object.spec.?hostNetwork.orValue(false)
host-namespaces: object.spec.?hostPID.orValue(false) || object.spec.?hostIPC.orValue(false)
host-port: {{ $ports }} p.?hostPort.orValue(0) != 0 || p.?hostIP.orValue('') != ''))
hostname: object.spec.?hostname.orValue('') != '' || object.spec.?setHostnameAsFQDN.orValue(false) || has(object.spec.hostnameOverride)
shared-processes: object.spec.?shareProcessNamespace.orValue(false)
fs-group: {{ $pod }}.exists(k, k in ['fsGroup', 'fsGroupChangePolicy'])
supplemental-groups: size({{ $pod }}.?supplementalGroups.orValue([])) > 0 || {{ $pod }}.?supplementalGroupsPolicy.hasValue()
sysctls: size({{ $pod }}.?sysctls.orValue([])) > 0
selinux: ({{ $security }} + [{{ $pod }}]).exists(s, has(s.seLinuxOptions))
seccomp: ({{ $security }} + [{{ $pod }}]).exists(s, has(s.seccompProfile))
privileged: {{ $security }}.exists(s, s.?privileged.orValue(false))
privilege-escalation: {{ $security }}.exists(s, s.?allowPrivilegeEscalation.orValue(false))
proc-mount: {{ $security }}.exists(s, s.?procMount.orValue('Default') != 'Default')
grpc-probe: {{ $probes }} p.?grpc.hasValue()))
node-port-range: {{ $ports }} p.containerPort >= 30000 && p.containerPort <= 32767))
{{- end }}

{{/*
layerRouting.selects is true when every way to satisfy the pod's node selector and required node affinity asks for a label for
which the given CEL expression over k, the label's key, is true.
*/}}
{{- define "layerRouting.selects" -}}
{{- $terms := "object.spec.?affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.orValue([])" -}}
object.spec.?nodeSelector.orValue({}).exists(k, {{ . }}) || size({{ $terms }}) > 0 && {{ $terms }}.all(t, t.?matchExpressions.orValue([]).exists(e, !(e.operator in ['NotIn', 'DoesNotExist']) && [e.key].exists(k, {{ . }})))
{{- end }}

{{/*
layerRouting.exceeds compares a resource with a bound, added up as virtual nodes do: over the containers, the limit where there is
one, else the request. Floating point may be off by far less than the smallest unit, so bounds lie half a unit higher.
*/}}
{{- define "layerRouting.exceeds" -}}
{{- $name := index . 0 -}}
{{- $path := printf "[?'%s'].orValue('0')" $name -}}
object.spec.containers.map(c, quantity(c.?resources.limits[?'{{ $name }}'].orValue(c.?resources.requests{{ $path }})).asApproximateFloat()).sum() > {{ index . 1 }} ||
  [object.spec.?resources.limits{{ $path }}, object.spec.?resources.requests{{ $path }}].exists(q, quantity(q).asApproximateFloat() > {{ index . 1 }})
{{- end }}

{{/* layerRouting.fileModes is true when a volume gives files a mode other than 0644 (420). */}}
{{- define "layerRouting.fileModes" -}}
{{- $odd := "s.?defaultMode.orValue(420) != 420 || s.?items.orValue([]).exists(i, i.?mode.orValue(420) != 420)" -}}
{{ . }}.exists(v, [v.?configMap, v.?secret, v.?downwardAPI, v.?projected].exists(o, [o.orValue({})].exists(s, {{ $odd }})) ||
  v.?projected.sources.orValue([]).exists(p, [p.?configMap, p.?secret, p.?downwardAPI].exists(o, [o.orValue({})].exists(s, {{ $odd }}))))
{{- end }}

{{/* layerRouting.apiVersion is the newest version of the policy that the API server serves, or the one that a value names. */}}
{{- define "layerRouting.apiVersion" -}}
{{- $group := "admissionregistration.k8s.io" -}}
{{- if .Values.layerRouting.apiVersion -}}
{{ $group }}/{{ .Values.layerRouting.apiVersion }}
{{- else if .Capabilities.APIVersions.Has (printf "%s/v1/MutatingAdmissionPolicy" $group) -}}
{{ $group }}/v1
{{- else if .Capabilities.APIVersions.Has (printf "%s/v1beta1/MutatingAdmissionPolicy" $group) -}}
{{ $group }}/v1beta1
{{- else -}}
{{- fail (printf "layerRouting needs MutatingAdmissionPolicy, which this API server (%s) does not serve: upgrade to Kubernetes 1.36, or leave layerRouting.enabled false. If you render without a cluster, set layerRouting.apiVersion to v1 or v1beta1." .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- end }}

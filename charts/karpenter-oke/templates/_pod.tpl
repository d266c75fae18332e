{{/* karpenter-oke.placement keeps the controller off the nodes that it may take away, and its replicas apart. */}}
{{- define "karpenter-oke.placement" -}}
{{- $labels := include "karpenter-oke.selectorLabels" . | fromYaml -}}
{{- $taint := include "karpenter-oke.taint" . | fromYaml -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - {key: karpenter.sh/nodepool, operator: DoesNotExist}
            - {key: node-role.kubernetes.io/virtual-node, operator: DoesNotExist}
            - {key: type, operator: NotIn, values: [virtual-node]}
            {{- with .Values.nodeAffinityTerms }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{ toJson $labels }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{ merge (dict "labelSelector" (dict "matchLabels" $labels)) . | toJson }}
  {{- end }}
{{- end }}
{{- with .Values.tolerations }}
{{- range . }}
{{- if or (and (not .key) (eq (.operator | default "Equal") "Exists")) (eq (.key | default "") $taint.key) }}
{{- fail "tolerations: the controller must not run on virtual nodes; name the taints that it shall tolerate" }}
{{- end }}
{{- end }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "karpenter-oke.container" -}}
{{- $image := .Values.image -}}
{{- if $image.digest }}
image: {{ printf "%s@%s" $image.repository $image.digest }}
{{- else }}
image: {{ printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
imagePullPolicy: {{ $image.pullPolicy }}
args:
  {{- include "karpenter-oke.args" . | trim | nindent 2 }}
  {{- if .Values.ociConfigSecret }}
  - --oci-config-file=/etc/oci/config
  {{- end }}
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: SYSTEM_NAMESPACE
    valueFrom:
      fieldRef: {fieldPath: metadata.namespace}
  # What keeps the controller from starting becomes an event of its pod.
  - name: POD_NAME
    valueFrom:
      fieldRef: {fieldPath: metadata.name}
  - name: POD_UID
    valueFrom:
      fieldRef: {fieldPath: metadata.uid}
  # Core sizes its workers by the request and its garbage collector by the limit.
  - name: CPU_REQUESTS
    valueFrom:
      resourceFieldRef: {containerName: controller, resource: requests.cpu, divisor: 1m}
  - name: MEMORY_LIMIT
    valueFrom:
      resourceFieldRef: {containerName: controller, resource: limits.memory, divisor: "1"}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - {name: http-metrics, containerPort: {{ .Values.settings.metricsPort }}, protocol: TCP}
  - {name: http-health, containerPort: {{ .Values.settings.healthProbePort }}, protocol: TCP}
# The first reads of OCI come before the health endpoint; when they give up, a sentence in the log says what is missing.
startupProbe:
  httpGet: {path: /healthz, port: http-health}
  periodSeconds: 5
  failureThreshold: {{ div .Values.startupSeconds 5 }}
livenessProbe:
  httpGet: {path: /healthz, port: http-health}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 3
# Ready means that the definitions are there and the caches are filled.
readinessProbe:
  httpGet: {path: /readyz, port: http-health}
  periodSeconds: 10
  timeoutSeconds: 10
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- if .Values.ociConfigSecret }}
volumeMounts:
  - {name: oci-config, mountPath: /etc/oci, readOnly: true}
{{- end }}
{{- end }}

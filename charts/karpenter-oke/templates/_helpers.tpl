{{- define "karpenter-oke.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, with the chart's in front unless it says it already. */}}
{{- define "karpenter-oke.fullname" -}}
{{- $name := include "karpenter-oke.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "karpenter-oke.selectorLabels" -}}
app.kubernetes.io/name: {{ include "karpenter-oke.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "karpenter-oke.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "karpenter-oke.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "karpenter-oke.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "karpenter-oke.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* karpenter-oke.taint is the virtual nodes' taint as {key, value, effect}, from the setting that is written key[=value]:effect. */}}
{{- define "karpenter-oke.taint" -}}
{{- $taint := .Values.settings.virtualNodeTaint | default "virtual-kubelet.io/provider=oracle:NoSchedule" -}}
{{- $body := regexReplaceAll ":[^:]*$" $taint "" -}}
key: {{ regexReplaceAll "=.*$" $body "" | quote }}
value: {{ ternary (regexReplaceAll "^[^=]*=" $body "") "" (contains "=" $body) | quote }}
effect: {{ regexReplaceAll "^.*:" $taint "" | quote }}
{{- end }}

{{/* karpenter-oke.args turns .Values.settings into the controller's flags: clusterId becomes --cluster-id; what is empty is left out. */}}
{{- define "karpenter-oke.args" -}}
{{- range $name, $value := .Values.settings }}
{{- $text := "" }}
{{- if kindIs "map" $value }}
{{- $pairs := list }}
{{- range $key, $on := $value }}
{{- $pairs = append $pairs (printf "%s=%v" $key $on) }}
{{- end }}
{{- $text = join "," $pairs }}
{{- else if and (kindIs "slice" $value) (kindIs "map" (first $value)) }}
{{- $text = toRawJson $value }}
{{- else if kindIs "slice" $value }}
{{- $text = join "," $value }}
{{- else if kindIs "float64" $value }}
{{- $text = ternary ($value | int64 | toString) ($value | toString) (eq (float64 (int64 $value)) $value) }}
{{- else if not (kindIs "invalid" $value) }}
{{- $text = toString $value }}
{{- end }}
{{- if $text }}
- {{ printf "--%s=%s" (kebabcase $name) $text | toRawJson }}
{{- end }}
{{- end }}
{{- end }}

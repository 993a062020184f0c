{{- define "rudderproj.name" -}}
{{- if contains "rudderproj" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-rudderproj" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Of a kind that no namespace holds: two releases of one name may be in a cluster. */}}
{{- define "rudderproj.priority" -}}
{{- .Values.priorityClass.name | default (.Values.priorityClass.create | ternary (printf "%s-%s-first" .Release.Namespace (include "rudderproj.name" .)) "") }}
{{- end }}

{{- define "rudderproj.selector" -}}
app.kubernetes.io/name: rudderproj
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "rudderproj.labels" -}}
{{ include "rudderproj.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Of pods: nothing in their emptyDirs is missed, so an autoscaler may take their node. */}}
{{- define "rudderproj.movable" -}}
cluster-autoscaler.kubernetes.io/safe-to-evict: "true"
{{- end }}

{{- define "rudderproj.meta" -}}
name: {{ include "rudderproj.name" .root }}-{{ .part }}
labels:
  {{- include "rudderproj.labels" . | nindent 2 }}
{{- end }}

{{/* Of what goes first where the migration is no hook of helm's: Argo CD waits for one wave before the next, and all others are 0. */}}
{{- define "rudderproj.wave" -}}
{{- if not .root.Values.migrate.hook -}}
argocd.argoproj.io/sync-wave: {{ .wave | quote }}
{{- end }}
{{- end }}

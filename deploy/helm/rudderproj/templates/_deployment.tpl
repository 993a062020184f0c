{{- define "rudderproj.probes" -}}
{{- $ready := "/health" }}
{{- $port := "metrics" }}
{{- if or (eq .part "web") (eq .part "admin") }}{{ $ready = "/ready" }}{{ $port = "http" }}{{ end }}
{{- if eq .part "flower" }}{{ $ready = "/healthcheck" }}{{ $port = "http" }}{{ end }}
readinessProbe: {httpGet: {path: {{ $ready }}, port: {{ $port }}}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 2}
livenessProbe: {httpGet: {path: {{ eq $ready "/ready" | ternary "/health" $ready }}, port: {{ $port }}}, initialDelaySeconds: 30, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
{{- if eq $port "metrics" }}
# A worker opens that port once it has found the broker, which may be away for long: to be killed would not help.
startupProbe: {httpGet: {path: {{ $ready }}, port: {{ $port }}}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 1000000}
{{- end }}
{{- end }}

{{- define "rudderproj.deployment" -}}
{{- $own := index .root.Values .part }}
{{- $ports := dict "web" (dict "http" 8080 "metrics" 9100) "admin" (dict "http" 8080 "metrics" 9100) "forward" (dict "metrics" 9101) "alerts" (dict "metrics" 9102) "flower" (dict "http" 5555) }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "rudderproj.meta" . | nindent 2 }}
spec:
  {{- if not (or (and (eq .part "web") .root.Values.web.autoscaling.enabled) (and (eq .part "forward") .root.Values.forward.autoscaling.kind)) }}
  replicas: {{ $own.replicas }}
  {{- end }}
  minReadySeconds: {{ .root.Values.minReadySeconds }}
  revisionHistoryLimit: 5
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector:
    matchLabels:
      {{- include "rudderproj.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "rudderproj.labels" . | nindent 8 }}
      annotations:
        {{- include "rudderproj.movable" . | nindent 8 }}
    spec:
      {{- include "rudderproj.place" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ $own.graceSeconds }}
      containers:
        - {{- include "rudderproj.container" . | nindent 10 }}
          {{- with index $ports .part }}
          ports:
            {{- range $name, $number := . }}
            - {name: {{ $name }}, containerPort: {{ $number }}}
            {{- end }}
          {{- end }}
          {{- if ne .part "beat" }}
          {{- include "rudderproj.probes" . | nindent 10 }}
          {{- end }}
          {{- if $own.preStopSeconds }}
          lifecycle: {preStop: {exec: {command: [sleep, {{ $own.preStopSeconds | quote }}]}}}
          {{- end }}
      volumes:
        {{- include "rudderproj.volumes" . | nindent 8 }}
{{- end }}

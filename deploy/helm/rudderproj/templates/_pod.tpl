{{/* What every pod has, ours or not: who may run, where, and what it may not do. */}}
{{- define "rudderproj.place" -}}
serviceAccountName: {{ if eq .part "migrate" }}default{{ else }}{{ include "rudderproj.name" .root }}{{ end }}
automountServiceAccountToken: false
enableServiceLinks: false  # a Service named web would set WEB_PORT
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  {runAsNonRoot: true, runAsUser: {{ .user | default 10001 }}, runAsGroup: {{ .user | default 10001 }}, fsGroup: {{ .user | default 10001 }}, seccompProfile: {type: RuntimeDefault}}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
tolerations:
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: {{ .root.Values.evictAfterSeconds }}}
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: {{ .root.Values.evictAfterSeconds }}}
  {{- with .root.Values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if ne .part "migrate" }}
topologySpreadConstraints:
  {{- range $key, $when := dict "topology.kubernetes.io/zone" .root.Values.spread.zone "kubernetes.io/hostname" .root.Values.spread.host }}
  {{- if $when }}
  # Nodes that are tainted, since they or their zone are gone, are no place that waits for its share.
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $when }}
    nodeTaintsPolicy: Honor
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "rudderproj.selector" $ | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "rudderproj.locked" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end }}

{{/* A container of the product. */}}
{{- define "rudderproj.container" -}}
{{- $own := index .root.Values .part }}
name: {{ .part }}
image: {{ printf "%s:%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: {{ include "rudderproj.command" . }}
env:
  {{- include "rudderproj.env" . | nindent 2 }}
resources: {{ toJson $own.resources }}
securityContext: {{ include "rudderproj.locked" . }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: lives, mountPath: /data/lives}
  - {name: run, mountPath: /data/run}
  {{- if .root.Values.caSecret }}
  - {name: ca, mountPath: /etc/rudderproj/ca, readOnly: true}
  {{- end }}
{{- end }}

{{/* They live as long as the pod: a guard finds there what its container was before. */}}
{{- define "rudderproj.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 256Mi}}
- {name: lives, emptyDir: {sizeLimit: 256Mi}}
- {name: run, emptyDir: {sizeLimit: 16Mi}}
{{- with .root.Values.caSecret }}
- {name: ca, secret: {secretName: {{ . | quote }}}}
{{- end }}
{{- end }}

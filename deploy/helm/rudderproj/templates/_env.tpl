{{/* A process's environment: who it is, settings, and secrets by reference alone. */}}
{{- define "rudderproj.env" -}}
{{- $secret := .root.Values.existingSecret }}
# A container that comes back keeps both; a pod that is scheduled anew has others, and counts as no restart.
- {name: NODE_ID, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: RUN_ID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
- {name: WEB_HOST, value: {{ .root.Values.listen | quote }}}
- {name: METRICS_HOST, value: {{ .root.Values.listen | quote }}}
- {name: METRICS_PORT, value: "9100"}
{{- if eq .part "web" }}
- {name: PUBLIC_ONLY, value: "1"}
{{- else if eq .part "migrate" }}
- {name: DATABASE_LOCK_SECONDS, value: {{ .root.Values.migrate.lockSeconds | quote }}}
# An index on a large log takes longer than a request may: the Job's deadline is the only end.
- {name: DATABASE_STATEMENT_SECONDS, value: "0"}
{{- else if eq .part "flower" }}
- {name: FLOWER_ADDRESS, value: {{ .root.Values.listen | quote }}}
- {name: FLOWER_PORT, value: "5555"}
- {name: FLOWER_BASIC_AUTH, valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: FLOWER_BASIC_AUTH}}}
{{- end }}
{{- if not (hasKey .root.Values.settings "INSTANCE_ID") }}
# Incidents of two releases must not be taken for one another's.
- {name: INSTANCE_ID, value: {{ printf "%s-%s" .root.Release.Namespace .root.Release.Name | quote }}}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
{{- /* toString would make 4.194304e+06 of 4194304 */}}
- {name: {{ $name }}, value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}}
{{- end }}
{{- if eq .root.Values.postgres.kind "cloudnative" }}
- {name: PGSSLMODE, value: require}
- {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: {{ include "rudderproj.name" .root }}-db-app, key: uri}}}
{{- else }}
- {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: DATABASE_URL}}}
{{- end }}
{{- if .root.Values.valkey.enabled }}
- {name: CELERY_BROKER_URL, value: "redis://{{ include "rudderproj.name" .root }}-valkey:6379/0"}
{{- else }}
- {name: CELERY_BROKER_URL, valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: CELERY_BROKER_URL}}}
{{- end }}
{{- range list "SECRET_KEY" "SECRETS_KEYS" }}
- {name: {{ . }}, valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ . }}}}}
{{- end }}
{{- range list "METRICS_TOKEN" "SENTRY_DSN" "PG_ROUTING_KEY" "VICTOROPS_ROUTING_KEY" "VICTOROPS_API_KEY" }}
- {name: {{ . }}, valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ . }}, optional: true}}}
{{- end }}
{{- end }}

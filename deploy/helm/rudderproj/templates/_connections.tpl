{{/*
How many connections the database must take when everything is scaled to its most and one pod more of each is starting. A web
process has one for each of its threads, a forwarding process two; some for what watches, tells that it lives, rings, guards and
migrates beside them.
*/}}
{{- define "rudderproj.connections" -}}
{{- $web := ternary .Values.web.autoscaling.maxReplicas .Values.web.replicas .Values.web.autoscaling.enabled | int }}
{{- $forward := ternary .Values.forward.autoscaling.maxReplicas .Values.forward.replicas (ne .Values.forward.autoscaling.kind "") | int }}
{{- $ofWeb := add (.Values.settings.WEB_THREADS | default 8 | int) 6 }}
{{- $ofForward := add (mul 2 (splitList "," .Values.forward.autoscale | first | int)) 4 }}
{{- $pods := list (list $web $ofWeb) (list .Values.admin.replicas $ofWeb) (list $forward $ofForward) (list .Values.alerts.replicas 12) (list .Values.beat.replicas 4) }}
{{- $all := 20 }}
{{- range $pods }}
{{- $all = add $all (mul (add (index . 0 | int) 1) (index . 1)) }}
{{- end }}
{{- $all }}
{{- end }}

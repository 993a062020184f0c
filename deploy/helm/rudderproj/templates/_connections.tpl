{{/*
How many connections the database must take when everything is scaled to its most and is replaced: one pod of each is starting,
and old ones keep theirs for as long as they may take to end, while every 5 seconds and minReadySeconds another one goes. A web
process has one for each of its threads, a forwarding process two; some for what watches, tells that it lives, rings, guards and
migrates beside them.
*/}}
{{- define "rudderproj.connections" -}}
{{- $web := ternary .Values.web.autoscaling.maxReplicas .Values.web.replicas .Values.web.autoscaling.enabled | int }}
{{- $forward := ternary .Values.forward.autoscaling.maxReplicas .Values.forward.replicas (ne .Values.forward.autoscaling.kind "") | int }}
{{- $ofWeb := add (.Values.settings.WEB_THREADS | default 8 | int) 6 }}
{{- $ofForward := add (mul 2 (splitList "," .Values.forward.autoscale | first | int)) 4 }}
{{- $pods := dict "web" (list $web $ofWeb) "admin" (list .Values.admin.replicas $ofWeb) "forward" (list $forward $ofForward) "alerts" (list .Values.alerts.replicas 12) "beat" (list .Values.beat.replicas 4) }}
{{- $apart := add .Values.minReadySeconds 5 }}
{{- $all := 20 }}
{{- range $part, $of := $pods }}
{{- $count := first $of | int }}
{{- $ending := min $count (div (add (index $.Values $part).graceSeconds $apart -1) $apart) }}
{{- $all = add $all (mul (add $count 1 $ending) (last $of)) }}
{{- end }}
{{- $all }}
{{- end }}

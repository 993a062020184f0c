{{/* The command lines of rudderproj/stack/programs.py; a test compares them. */}}
{{- define "rudderproj.command" -}}
{{- $worker := list "python" "-m" "celery" "-A" "rudderproj" "worker" "--without-gossip" "--without-mingle" "-O" "fair" "--pool" "prefork" }}
{{- $guard := list "python" "-m" "rudderproj.guard" "--role" }}
{{- if or (eq .part "web") (eq .part "admin") }}
{{- concat $guard (list "web" "--" "python" "-m" "rudderproj.server") | toJson }}
{{- else if eq .part "forward" }}
{{- concat $guard (list "forward" "--") $worker (list "-Q" "forward" "-n" "forward@%h" "--autoscale" .root.Values.forward.autoscale) | toJson }}
{{- else if eq .part "alerts" }}
{{- concat $guard (list "alerts" "--") $worker (list "-Q" "alerts" "-n" "alerts@%h" "-c" "2") | toJson }}
{{- else if eq .part "beat" }}
{{- concat $guard (list "beat" "--" "python" "-m" "celery" "-A" "rudderproj" "beat" "-s" "/data/run/beat-schedule") | toJson }}
{{- else if eq .part "flower" }}
{{- list "python" "-m" "celery" "-A" "rudderproj" "flower" "--max-tasks=1000" "--enable_events=False" | toJson }}
{{- else if eq .part "migrate" }}
{{- list "python" "manage.py" "migrate" "--no-input" | toJson }}
{{- end }}
{{- end }}

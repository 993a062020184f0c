{{/*
What a proxy must take: our largest body and a MiB more, so that who sends too much is told so by us. In whole MiB. The default is
the product's; a test compares.
*/}}
{{- define "rudderproj.largest" -}}
{{- div (add (.Values.settings.INGEST_MAX_BODY_BYTES | default 10485760) 2097151) 1048576 }}m
{{- end }}

{{/*
The configuration files.

`quickStartIn` is the one place that says where provider, model and metrics tools of the values go: `main` (sections of
config.yaml) or `sdk` (a file of its own, ConfigMap holmesgpt-sdk-config, as earlier charts had it).
*/}}
{{- define "holmesgpt-api.quickStartIn" -}}main{{- end }}

{{/* Where the SDK sections come from: existing, content, profile, model or none. */}}
{{- define "holmesgpt-api.sdkSource" -}}
{{- $values := .Values.holmesgptApi -}}
{{- if $values.existingSdkConfigMap }}existing
{{- else if $values.sdkConfigContent }}content
{{- else if $values.llm.profiles }}profile
{{- else if and $values.llm.provider $values.llm.model }}model
{{- else if or $values.llm.provider $values.llm.model }}
{{- fail "holmesgptApi.llm.provider and holmesgptApi.llm.model belong together: set both, or neither to let the deterministic analyser answer" }}
{{- else }}none
{{- end }}
{{- end }}

{{/* ConfigMap with sdk-config.yaml; empty when there is none. */}}
{{- define "holmesgpt-api.sdkConfigMap" -}}
{{- $source := include "holmesgpt-api.sdkSource" . -}}
{{- if eq $source "existing" }}{{ .Values.holmesgptApi.existingSdkConfigMap }}
{{- else if or (eq $source "content") (eq (include "holmesgpt-api.quickStartIn" .) "sdk") }}holmesgpt-sdk-config
{{- end }}
{{- end }}

{{- define "holmesgpt-api.llm" -}}
{{- $llm := .Values.holmesgptApi.llm -}}
{{- $section := dict "provider" $llm.provider "model" $llm.model }}
{{- with $llm.endpoint }}{{ $_ := set $section "endpoint" . }}{{ end }}
{{- toYaml (mergeOverwrite $section (deepCopy $llm.options)) }}
{{- end }}

{{/* A profile in the successor's words, in ours. */}}
{{- define "holmesgpt-api.llmProfile" -}}
{{- $profile := include "holmesgpt-api.profile" . | fromYaml -}}
{{- $names := dict "provider" "provider" "model" "model" "endpoint" "endpoint" "temperature" "temperature" "maxRetries" "max_retries" "timeoutSeconds" "timeout_seconds" "vertexProject" "gcp_project_id" "vertexLocation" "gcp_region" "azureApiVersion" "azure_api_version" "bedrockRegion" "aws_region" "tlsCaFile" "tls_ca_file" "oauth2" "oauth2" "reasoning" "reasoning" }}
{{- $section := dict }}
{{- range $theirs, $ours := $names }}
{{- if hasKey $profile $theirs }}{{ $_ := set $section $ours (index $profile $theirs) }}{{ end }}
{{- end }}
{{- toYaml (mergeOverwrite $section (deepCopy .Values.holmesgptApi.llm.options)) }}
{{- end }}

{{- define "holmesgpt-api.profile" -}}
{{- $llm := .Values.holmesgptApi.llm -}}
{{- $name := $llm.profile -}}
{{- if and (not $name) (eq (len $llm.profiles) 1) }}{{ $name = keys $llm.profiles | first }}{{ end }}
{{- if not (hasKey $llm.profiles (toString $name)) }}
{{- fail (printf "holmesgptApi.llm.profile must name one of holmesgptApi.llm.profiles: %s" (keys $llm.profiles | sortAlpha | join ", ")) }}
{{- end }}
{{- toYaml (index $llm.profiles $name) }}
{{- end }}

{{- define "holmesgpt-api.credentialsSecret" -}}
{{- $llm := .Values.holmesgptApi.llm -}}
{{- $secret := $llm.credentialsSecretName -}}
{{- if eq (include "holmesgpt-api.sdkSource" .) "profile" }}
{{- $secret = dig "credentialsSecretName" $secret (include "holmesgpt-api.profile" . | fromYaml) }}
{{- end }}
{{- $secret }}
{{- end }}

{{/* Sections llm and toolsets of the values. */}}
{{- define "holmesgpt-api.sdkSections" -}}
{{- $values := .Values.holmesgptApi -}}
{{- $source := include "holmesgpt-api.sdkSource" . -}}
{{- $sections := dict }}
{{- if eq $source "model" }}{{ $_ := set $sections "llm" (include "holmesgpt-api.llm" . | fromYaml) }}{{ end }}
{{- if eq $source "profile" }}{{ $_ := set $sections "llm" (include "holmesgpt-api.llmProfile" . | fromYaml) }}{{ end }}
{{- if $values.prometheus.enabled }}
{{- $config := dict "prometheus_url" (required "holmesgptApi.prometheus.enabled needs holmesgptApi.prometheus.url" $values.prometheus.url) }}
{{- if eq (include "holmesgpt-api.hasCa" .) "true" }}
{{- $_ := set $config "prometheus_ssl_ca_file" (print "/etc/ssl/hapi/" $values.prometheus.tls.caConfigMapKey) }}
{{- end }}
{{- if $values.prometheus.ocpMonitoringRbac }}
{{- $_ := set $config "bearer_token_file" "/var/run/secrets/kubernetes.io/serviceaccount/token" }}
{{- end }}
{{- $_ := set $sections "toolsets" (dict "prometheus/metrics" (dict "enabled" true "config" $config)) }}
{{- end }}
{{- toYaml $sections }}
{{- end }}

{{/* config.yaml */}}
{{- define "holmesgpt-api.config" -}}
{{- $values := .Values.holmesgptApi -}}
{{- $storage := $values.dataStorage -}}
{{- $config := dict }}
{{- $_ := set $config "catalogue" (dict "source" (ternary "datastorage" "directory" $storage.enabled)) }}
{{- $_ := set $config "audit" (dict "sink" (ternary "datastorage" "local" $storage.enabled)) }}
{{- if $storage.enabled }}{{ $_ := set $config "data_storage" (dict "url" $storage.url) }}{{ end }}
{{- $_ := set $config "shutdown" (dict "endpoint_delay_seconds" (int $values.shutdown.endpointDelaySeconds) "drain_seconds" (int $values.shutdown.drainSeconds) "flush_seconds" (int $values.shutdown.flushSeconds)) }}
{{- $_ := set $config "store" (dict "url" "sqlite:///var/lib/holmesgpt-api/state.db") }}
{{- if eq (include "holmesgpt-api.hasCa" .) "true" }}
{{- $_ := set $config "tls" (dict "ca_file" (print "/etc/ssl/hapi/" $values.prometheus.tls.caConfigMapKey)) }}
{{- end }}
{{- if and (not (include "holmesgpt-api.sdkConfigMap" .)) (eq (include "holmesgpt-api.quickStartIn" .) "main") }}
{{- $config = merge $config (include "holmesgpt-api.sdkSections" . | fromYaml) }}
{{- end }}
{{- with $values.server.tls.secretName }}
{{- $_ := set $config "server" (dict "tls" (dict "cert_dir" "/etc/holmesgpt/tls") "tls_profile" $values.server.tls.profile) }}
{{- end }}
{{- $config = mergeOverwrite $config (deepCopy $values.config) }}
{{- $hasTls := ne (dig "server" "tls" "cert_dir" "" $config) "" }}
{{- range $key, $port := dict "health_addr" (list $values.server.healthPort 8081) "metrics_addr" (list $values.server.metricsPort 9090) }}
{{- $own := index $port 0 }}
{{- if and (kindIs "invalid" $own) $hasTls }}{{ $own = index $port 1 }}{{ end }}
{{- if and (not (kindIs "invalid" $own)) (not (dig "server" $key "" $config)) }}
{{- $config = mergeOverwrite $config (dict "server" (dict $key (printf ":%d" (int $own)))) }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* Port of its own, or nothing: (list . "health_addr"). */}}
{{- define "holmesgpt-api.ownPort" -}}
{{- $root := index . 0 }}{{ $key := index . 1 -}}
{{- $server := dig "server" dict (include "holmesgpt-api.config" $root | fromYaml) }}
{{- $port := dig $key "" $server | regexFind "[0-9]+$" }}
{{- if eq $port "8080" }}
{{- fail (printf "server.%s is port 8080, which the API has: choose another port" $key) }}
{{- end }}
{{- if and $port (eq (dig "health_addr" "" $server | regexFind "[0-9]+$") (dig "metrics_addr" "" $server | regexFind "[0-9]+$")) }}
{{- fail (printf "holmesgptApi.server.healthPort and metricsPort are both %s: choose two" $port) }}
{{- end }}
{{- $port }}
{{- end }}

{{/* "https" when port 8080 speaks TLS. */}}
{{- define "holmesgpt-api.scheme" -}}
{{- ternary "https" "http" (ne (dig "server" "tls" "cert_dir" "" (include "holmesgpt-api.config" . | fromYaml)) "") }}
{{- end }}

{{/* sdk-config.yaml */}}
{{- define "holmesgpt-api.sdkConfig" -}}
{{- if eq (include "holmesgpt-api.sdkSource" .) "content" }}{{ .Values.holmesgptApi.sdkConfigContent }}
{{- else }}{{ include "holmesgpt-api.sdkSections" . }}
{{- end }}
{{- end }}

{{- define "holmesgpt-api.podLabels" -}}
app: holmesgpt-api
app.kubernetes.io/name: holmesgpt-api
app.kubernetes.io/part-of: kubernaut
{{- end }}

{{- define "holmesgpt-api.labels" -}}
{{ include "holmesgpt-api.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "holmesgpt-api.image" -}}
{{- $image := .Values.global.image -}}
{{- $repository := list $image.registry (ternary (print $image.namespace $image.separator "holmesgpt-api") "holmesgpt-api" (ne $image.namespace "")) | compact | join "/" -}}
{{- if $image.digest }}{{ $repository }}@{{ $image.digest }}{{ else }}{{ $repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "holmesgpt-api.imagePullSecrets" -}}
{{- range .Values.global.imagePullSecrets }}
- name: {{ kindIs "string" . | ternary . (dig "name" "" (kindIs "map" . | ternary . dict)) }}
{{- end }}
{{- end }}

{{/* A value of the component, else of the platform: (list . "affinity"). */}}
{{- define "holmesgpt-api.placed" -}}
{{- $root := index . 0 }}{{ $name := index . 1 -}}
{{- with index $root.Values.holmesgptApi $name | default (index $root.Values.global $name) }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "holmesgpt-api.podSecurityContext" -}}
{{- $ours := dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault") }}
{{- /* OpenShift assigns user and group itself and refuses others. */}}
{{- if not .Values.holmesgptApi.prometheus.ocpMonitoringRbac }}
{{- $ours = merge (dict "runAsUser" 1001 "runAsGroup" 0 "fsGroup" 1001) $ours }}
{{- end }}
{{- toYaml (merge (deepCopy .Values.holmesgptApi.podSecurityContext) .Values.global.podSecurityContext $ours) }}
{{- end }}

{{- define "holmesgpt-api.containerSecurityContext" -}}
{{- $ours := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
{{- toYaml (merge (deepCopy .Values.holmesgptApi.containerSecurityContext) .Values.global.containerSecurityContext $ours) }}
{{- end }}

{{/* "true" when there can be more than one pod. */}}
{{- define "holmesgpt-api.several" -}}
{{- $values := .Values.holmesgptApi -}}
{{- if $values.autoscaling.enabled }}{{ gt (int $values.autoscaling.maxReplicas) 1 }}{{ else }}{{ gt (int $values.replicas) 1 }}{{ end }}
{{- end }}

{{- define "holmesgpt-api.serviceCa" -}}
{{- .Values.holmesgptApi.prometheus.tls.caConfigMapName | default "holmesgpt-api-service-ca" }}
{{- end }}

{{/* "true" when a CA for Prometheus is mounted. */}}
{{- define "holmesgpt-api.hasCa" -}}
{{- $prometheus := .Values.holmesgptApi.prometheus -}}
{{- if and $prometheus.tls.enabled (not $prometheus.tls.caConfigMapName) (not $prometheus.ocpMonitoringRbac) }}
{{- fail "holmesgptApi.prometheus.tls.enabled needs holmesgptApi.prometheus.tls.caConfigMapName: the ConfigMap with the CA" }}
{{- end }}
{{- or $prometheus.tls.enabled $prometheus.ocpMonitoringRbac }}
{{- end }}

{{/* Seconds a pod may take to end: announced drain, in-flight requests (5) and a margin (10). */}}
{{- define "holmesgpt-api.gracePeriod" -}}
{{- $shutdown := (include "holmesgpt-api.config" . | fromYaml).shutdown -}}
{{- $computed := add (int $shutdown.endpoint_delay_seconds) (int $shutdown.drain_seconds) (int $shutdown.flush_seconds) 15 -}}
{{- $given := .Values.holmesgptApi.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given }}{{ $computed }}
{{- else if lt (int $given) (int $computed) }}
{{- fail (printf "holmesgptApi.terminationGracePeriodSeconds is %d, but ending takes up to %d s (holmesgptApi.shutdown, 5 s for requests, 10 s margin): raise it or shorten the drain" (int $given) (int $computed)) }}
{{- else }}{{ int $given }}{{ end }}
{{- end }}

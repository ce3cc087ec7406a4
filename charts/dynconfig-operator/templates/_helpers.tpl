{{- /* What every resource of the chart carries. */ -}}
{{- define "dynconfig.labels" -}}
{{ include "dynconfig.selector" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Never changes: a Deployment cannot change its selector. */ -}}
{{- define "dynconfig.selector" -}}
app.kubernetes.io/name: dynconfig-operator
{{- end }}

{{- define "dynconfig.subjects" -}}
subjects:
  - {kind: ServiceAccount, name: {{ .Values.serviceAccount.name | quote }}, namespace: {{ .Release.Namespace | quote }}}
{{- end }}

{{- /* shop=/shop,/common;*=/apps */ -}}
{{- define "dynconfig.allowedPaths" -}}
{{- $parts := list }}
{{- range $namespace, $paths := .Values.allowedPaths }}
{{- $parts = append $parts (printf "%s=%s" $namespace (join "," $paths)) }}
{{- end }}
{{- join ";" $parts }}
{{- end }}

{{- /* ssm.Get=100,ssm.Put=10 */ -}}
{{- define "dynconfig.quota" -}}
{{- $parts := list }}
{{- range $operation, $rate := .Values.quota }}
{{- $parts = append $parts (printf "%s=%v" $operation $rate) }}
{{- end }}
{{- join "," $parts }}
{{- end }}

{{- /* CostCenter=4711,team=platform */ -}}
{{- define "dynconfig.tags" -}}
{{- $parts := list }}
{{- range $key, $value := .Values.tags }}
{{- $parts = append $parts (printf "%s=%s" $key $value) }}
{{- end }}
{{- join "," $parts }}
{{- end }}

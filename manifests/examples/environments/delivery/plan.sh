#!/bin/sh
# Validates environments and shows what applying them would change: plan.sh ENVIRONMENT …
# ENVIRONMENTS is their folder. Default: the folder of this script. With BEFORE, another such folder, they are compared
# with what is in that: neither AWS nor the cluster is asked, and nothing has to be allowed.
# Exit code 0: nothing would change; 2: there are changes; 1: something is wrong with one of them.
set -eu

environments=${ENVIRONMENTS:-$(cd "$(dirname "$0")/.." && pwd)}
rendered=$(mktemp)
before=$(mktemp)
trap 'rm -f "$rendered" "$before"' EXIT

plan() {
  kubectl kustomize "$environments/$1" > "$rendered" || return 1
  dynconfig validate -f "$rendered" || return 1
  if [ -n "${BEFORE:-}" ]; then
    compare "$1"
  else
    dynconfig plan -f "$rendered"
  fi
}

compare() {
  : > "$before"
  # Before it came, there was nothing.
  [ ! -d "$BEFORE/$1" ] || kubectl kustomize "$BEFORE/$1" > "$before" || return 1
  diff -u --label "before/$1" --label "after/$1" "$before" "$rendered" && return 0
  [ $? -eq 1 ] || return 1
  return 2
}

worst=0
for environment in "$@"; do
  echo "# $environment"
  code=0
  plan "$environment" || code=$?
  case "$code" in
    0) ;;
    2) [ "$worst" -ne 0 ] || worst=2 ;;
    *) worst=1 ;;
  esac
done
exit "$worst"

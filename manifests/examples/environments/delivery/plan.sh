#!/bin/sh
# Checks environments and says what applying them would change: plan.sh ENVIRONMENT …
# Exit code 0: nothing would change; 2: there are changes; 1: something is wrong with one of them.
set -eu

environments=$(cd "$(dirname "$0")/.." && pwd)
rendered=$(mktemp)
trap 'rm -f "$rendered"' EXIT

plan() {
  kubectl kustomize "$environments/$1" > "$rendered" || return 1
  dynconfig validate -f "$rendered" || return 1
  dynconfig plan -f "$rendered"
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

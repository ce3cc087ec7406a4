#!/bin/sh
# Moves an environment on to the commit that is checked out, once that has proved itself in another: promote.sh FROM TO
# It waits until Argo CD has brought exactly this commit to FROM and finds it healthy. Nothing is forced: to go back,
# revert in main.
set -eu

from=$1
to=$2
commit=$(git rev-parse HEAD)
application=application.argoproj.io/shop-$from

wait_for() {
  kubectl -n argocd wait "$application" --for="jsonpath={.status.$1}=$2" --timeout="${PATIENCE:-15m}"
}

wait_for sync.revision "$commit"
wait_for sync.status Synced
wait_for health.status Healthy
git push origin "$commit:refs/heads/env/$to"

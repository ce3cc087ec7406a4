#!/bin/sh
# Moves an environment on to the commit that is checked out, once that has proved itself in another: promote.sh FROM TO
# It waits, for at most TIMEOUT_SECONDS, until Argo CD has brought this commit to FROM, or one whose environments are the
# same, and finds it healthy; and then until the bake times there are over, for BAKE at most (40m), and nothing was rolled
# back. It never force-pushes: to go back, revert in main.
set -eu

from=$1
to=$2
commit=$(git rev-parse HEAD)
environments=$(cd "$(dirname "$0")/.." && pwd)
deadline=$(($(date +%s) + ${TIMEOUT_SECONDS:-900}))

# Read in one request: otherwise the revision could be this commit's and the health already the next one's.
current_revision() {
  kubectl -n argocd get "application.argoproj.io/shop-$from" \
    --output='jsonpath={.status.sync.status}/{.status.health.status}/{.status.sync.revision}'
}

# Argo CD reports the newest commit that it has compared, also where that changed nothing in an environment.
is_same() {
  [ -n "$1" ] || return 1
  git cat-file -e "$1^{commit}" 2> /dev/null || git fetch --quiet origin "$1" || return 1
  git diff --quiet "$1" "$commit" -- "$environments"
}

fail() {
  echo "$1" >&2
  exit 1
}

# Argo CD reports an object as healthy while its change still bakes.
prove() {
  dynconfig status --watch --stable --namespace "shop-$from" --timeout "${BAKE:-40m}" ||
    fail "shop-$from has not become stable at $commit"
}

while :; do
  seen=$(current_revision)
  revision=${seen##*/}
  if is_same "$revision"; then
    case "$seen" in Synced/Healthy/*) break ;; esac
  elif git merge-base --is-ancestor "$commit" "${revision:-none}" 2> /dev/null; then
    fail "shop-$from is already at $revision, which changes environments: that commit is promoted in its own turn"
  fi
  [ "$(date +%s)" -lt "$deadline" ] || fail "shop-$from is not Synced and Healthy at $commit, but $seen"
  sleep "${PAUSE:-5}"
done
prove
# Whatever came meanwhile is promoted in its own turn.
seen=$(current_revision)
is_same "${seen##*/}" || fail "shop-$from is already at ${seen##*/}: that commit is promoted in its own turn"
git push origin "$commit:refs/heads/env/$to"

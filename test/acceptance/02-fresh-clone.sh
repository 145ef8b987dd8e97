#!/usr/bin/env bash
# Issue 2, “Shown by” 1: a fresh clone in an empty directory, an empty npm cache, and both commands of the README as
# written there (the main job with --once, since it would not end by itself). Prints what each took.
set -euo pipefail
top=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export npm_config_cache="$dir/npm-cache"
git clone --quiet "$top" "$dir/caxton"
cd "$dir/caxton"
echo "machine: node $(node --version), npm $(npm --version), $(nproc) cores"
run() {
  local began ended code=0
  began=$(date +%s%N)
  bash -c "$1" >"$dir/out.log" 2>&1 </dev/null || code=$?
  ended=$(date +%s%N)
  printf '%-36s exit %d in %d.%d s\n' "$1" "$code" $(((ended - began) / 1000000000)) $(((ended - began) / 100000000 % 10))
  [ "$code" = 0 ] || { tail -n 40 "$dir/out.log"; exit 1; }
}
run 'npm ci && npm start -- --once'
run 'npm ci && npm test'
left=$(pgrep -f "$dir" || true)
[ -z "$left" ] || { echo "left running: $left"; exit 1; }
echo 'nothing left running'

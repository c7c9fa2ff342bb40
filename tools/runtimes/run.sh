#!/usr/bin/env bash
# Runs the tests under other versions of Node than the one in use.
#
#   bash tools/runtimes/run.sh                        every version, the whole suite
#   bash tools/runtimes/run.sh 24                     one version
#   bash tools/runtimes/run.sh 20 24 -- test/unit     what follows -- goes to vitest
#
# The versions come as packages without install scripts (Linux x64). 20 is the oldest version that varve supports.
set -euo pipefail
cd "$(dirname "$0")/../.."

versions=()
while [ $# -gt 0 ] && [ "$1" != "--" ]; do versions+=("$1"); shift; done
[ $# -eq 0 ] || shift
[ ${#versions[@]} -gt 0 ] || versions=(20 22 24 26)

[ -d tools/runtimes/node_modules/node24 ] || npm ci --prefix tools/runtimes
npm run --silent build:tools

failed=0
for version in "${versions[@]}"; do
  node="$PWD/tools/runtimes/node_modules/node$version/bin/node"
  printf '\n== Node %s\n' "$("$node" --version)"
  # Tests start children with process.execPath; PATH covers what would look `node` up by name.
  PATH="$(dirname "$node"):$PATH" "$node" node_modules/vitest/vitest.mjs run "$@" || failed=1
done
exit "$failed"

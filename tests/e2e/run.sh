#!/usr/bin/env bash
# End-to-end tests on a real node: `tests/e2e/run.sh [CLUSTER_DIR]` starts the one that CLUSTER_DIR holds (it has `up` and
# `down`; `up` prints the kubeconfig's path last), runs the tests and stops it. With MESHTUI_E2E_KUBECONFIG set, a cluster
# that already runs is used, and left running.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../../.venv/bin/python}
[ -x "$python" ] || { echo "no Python at $python: run 'make venv' first, or set PYTHON" >&2; exit 2; }
if [ -z "${MESHTUI_E2E_KUBECONFIG:-}" ]; then
  cluster=${1:-${E2E_CLUSTER:-}}
  [ -n "$cluster" ] || { echo "which cluster? give its folder, or set E2E_CLUSTER or MESHTUI_E2E_KUBECONFIG" >&2; exit 2; }
  [ -x "$cluster/up" ] && [ -x "$cluster/down" ] || { echo "$cluster: no executable up and down there" >&2; exit 2; }
  trap '"$cluster/down"' EXIT
  MESHTUI_E2E_KUBECONFIG=$("$cluster/up" | tail -n 1)
  export MESHTUI_E2E_KUBECONFIG
fi
"$python" -m pytest -m e2e "$here" -p no:cacheprovider "${@:2}"

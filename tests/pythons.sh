#!/usr/bin/env bash
# Run the tests that need no sandbox on every supported Python that this machine has, beside that of .venv: on the newest one the
# unit and pilot tests, on those between the unit tests.
#   tests/pythons.sh              all of them
#   tests/pythons.sh 3.12 3.13    only these
#   tests/pythons.sh --prepare    only their environments
# Each has an environment of its own from the hashed lock (.venv-3.12 …), which stays for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
supported=(3.11 3.12 3.13 3.14)
workers=${PYTEST_WORKERS:-2}

# The newest python of a version: from PATH, else from pyenv; nothing where there is none that works.
find_python() {
  local candidate
  for candidate in "python$1" $(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1"*/bin/python 2>/dev/null | sort -rV); do
    if "$candidate" -c "import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

make_environment() { # version python
  local venv=.venv-$1 wanted
  wanted=$(cat requirements.lock pyproject.toml | sha256sum)
  if [ "$(cat "$venv/.made-from" 2>/dev/null)" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    return
  fi
  echo "making $venv …"
  rm -rf "$venv"
  "$2" -m venv "$venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-compile --require-hashes -r requirements.lock
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-compile --no-deps --no-build-isolation --editable .
  echo "$wanted" >"$venv/.made-from"
}

prepare=
if [ "${1:-}" = --prepare ]; then
  prepare=yes
  shift
fi
own=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
missing=()
failed=()
newest=
for version in "${@:-${supported[@]}}"; do
  [ -z "$(find_python "$version")" ] || newest=$version
done
for version in "${@:-${supported[@]}}"; do
  if [ "$version" = "$own" ]; then
    [ -n "$prepare" ] || echo "Python $version: make test runs everything on it"
    continue
  fi
  python=$(find_python "$version")
  if [ -z "$python" ]; then
    missing+=("$version")
    continue
  fi
  make_environment "$version" "$python"
  if [ -n "$prepare" ]; then
    continue
  fi
  echo "Python $version ($("$python" --version)):"
  folders=(tests/unit)
  [ "$version" != "$newest" ] || folders+=(tests/pilot)
  ".venv-$version/bin/pytest" -q -n "$workers" --dist loadgroup -p no:cacheprovider -m "not sandbox and not e2e" \
    "${folders[@]}" || failed+=("$version")
done
if [ ${#missing[@]} -gt 0 ] && [ -z "$prepare" ]; then
  echo "NOT TESTED, as this machine has no such Python: ${missing[*]}"
fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "tests failed on Python ${failed[*]}" >&2
  exit 1
fi

#!/usr/bin/env bash
# Clone HEAD as somebody who has just met the project, into a folder that nobody else can enter, and run the sandbox there.
#   tests/fresh_clone.sh closed     as ourselves, below our home, everything closed to others (as root: root's home)
#   tests/fresh_clone.sh ordinary   as root only: the same as an ordinary user with a home of their own (uid 65534)
#   tests/fresh_clone.sh nameless   as root only: the demo as a user id without an entry in the password database, without HOME
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
how=${1:-closed}
umask 077

case $how in
closed)
  folder=$(mktemp -d "$HOME/meshtui-clone-XXXXXX")
  python=${PYTHON:-python3}
  as=()
  ;;
ordinary | nameless)
  if [ "$(id -u)" != 0 ]; then
    echo "fresh_clone.sh: NOT TESTED: only root can become an ordinary user" >&2
    exit 0
  fi
  folder=$(mktemp -d /var/tmp/meshtui-clone-XXXXXX)
  uid=65534 home=(env "HOME=$folder")
  if [ "$how" = nameless ]; then
    uid=61999 home=(env -u HOME)
  fi
  as=(setpriv --reuid $uid --regid $uid --clear-groups --bounding-set=-all --inh-caps=-all "${home[@]}")
  python=
  for candidate in ${PYTHON:-} python3 /usr/bin/python3 /usr/local/bin/python3; do
    if "${as[@]}" "$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python=$candidate
      break
    fi
  done
  if [ -z "$python" ]; then
    echo "fresh_clone.sh: NOT TESTED: no Python 3.11 or newer that an ordinary user may run (set PYTHON)" >&2
    exit 0
  fi
  ;;
*)
  echo "usage: $0 closed|ordinary|nameless" >&2
  exit 2
  ;;
esac
trap 'rm -rf "$folder"' EXIT

git clone --quiet "$checkout" "$folder/meshtui"
if [ -n "${uid:-}" ]; then
  chown -R "$uid:$uid" "$folder"
fi
cd "$folder/meshtui"
stat -c '%a %U %n' "$folder"
"${as[@]}" make PYTHON="$python" venv >/dev/null
"${as[@]}" .venv/bin/python -m tests.demo_screen make PYTHON="$python" demo
if [ "$how" = nameless ]; then
  exit 0
fi
"${as[@]}" .venv/bin/pytest -q -p no:cacheprovider \
  tests/integration/test_sandbox_run.py::test_it_announces_itself_and_ends_cleanly \
  tests/integration/test_sandbox_run.py::test_what_a_killed_one_leaves_is_swept_by_the_next \
  tests/integration/test_bookstore_postgres.py::test_a_restarted_database_is_empty \
  tests/integration/test_dataplane/test_doors.py

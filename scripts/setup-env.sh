#!/usr/bin/env bash
# Makes or updates the virtual environment .venv of this repository and installs polylc (editable) into it.
#
#     scripts/setup-env.sh [EXTRA ...]        extras of pyproject.toml: torch symbolic plot frame convex all test docs examples
#
# Versions come from constraints.txt. When nothing has changed since the last time it returns at once, without pip.
# PYTHON=/path/to/python chooses the interpreter (3.11 or newer) with which .venv is made.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="$root/.venv"
python="$venv/bin/python"
stamp="$venv/polylc-stamp" # line 1: what was installed; line 2: the extras, each between blanks

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  local candidate
  # 3.11 first: constraints.txt was made with it.
  for candidate in "${PYTHON:-python3.11}" python3.12 python3.13 python3 python; do
    if usable "$candidate"; then
      echo "$candidate"
      return
    fi
    if [ -n "${PYTHON:-}" ]; then
      echo "setup-env: PYTHON=$PYTHON is not a Python 3.11 or newer with venv and ensurepip" >&2
      return 1
    fi
  done
  echo "setup-env: no Python 3.11 or newer with venv and ensurepip found on PATH; install one, or name it with PYTHON=/path/to/python" >&2
  return 1
}

state="$root $(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum)"
installed=""
extras=" "
if [ -f "$stamp" ] && "$python" -c '' >/dev/null 2>&1; then
  { read -r installed && IFS= read -r extras; } <"$stamp" || extras=" "
fi

missing=""
for extra in "$@"; do
  case "$extras" in
    *" $extra "*) ;;
    *) missing=yes extras="$extras$extra " ;;
  esac
done
if [ "$installed" = "$state" ] && [ -z "$missing" ]; then
  exit 0
fi

# An environment that does not start, or was copied here from another folder, is made anew; otherwise it is updated.
case "$installed" in
  "$root "*) ;;
  *)
    base="$(find_python)"
    echo "setup-env: making $venv with $("$base" --version)" >&2
    "$base" -m venv --clear "$venv"
    ;;
esac
printf '%s incomplete\n%s\n' "$root" "$extras" >"$stamp"

list="$(echo $extras | tr ' ' ',')"
echo "setup-env: installing polylc${list:+[$list]} (the first time takes minutes)" >&2
(cd "$root" && "$python" -m pip install --quiet --quiet --disable-pip-version-check --no-input -c constraints.txt -e ".${list:+[$list]}" >&2)
printf '%s\n%s\n' "$state" "$extras" >"$stamp"

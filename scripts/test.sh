#!/usr/bin/env bash
# Everything that has to pass: ruff, mypy, pytest, in the virtual environment of this repository (made if need be).
#
#     scripts/test.sh [--slow] [PYTEST-ARGUMENT ...]        --slow: also the tests that take minutes
#
# All four always run; the exit code is non-zero if any of them fails. pytest comes last, so its summary ends the output.
set -euo pipefail

# Bytecode is kept: tests start hundreds of commands. It is made of what is imported, when it is, and not of all that is
# installed.
unset PYTHONDONTWRITEBYTECODE
export PIP_COMPILE=0
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
cd "$root"
# What polylc itself needs comes first: then kernels that most tests need are compiled beside what else has one core busy
bash scripts/setup-env.sh
.venv/bin/polylc prepare 1 2 3 4 5 8 >/dev/null 2>&1 </dev/null &
bash scripts/setup-env.sh test

run=(.venv/bin/python -m pytest -n 2 --dist worksteal) # on two cores
for argument in "$@"; do
  if [ "$argument" = "--slow" ]; then
    run+=(-m "slow or not slow")
  else
    run+=("$argument")
  fi
done

failed=""
.venv/bin/ruff check . </dev/null || failed="$failed ruff-check"
.venv/bin/ruff format --check . </dev/null || failed="$failed ruff-format"
.venv/bin/python -m mypy </dev/null || failed="$failed mypy"
wait
if [ -n "$failed" ]; then
  echo "test: FAILED before the tests:$failed (see above)"
fi
status=0
"${run[@]}" </dev/null || status=$?
if [ "$status" -eq 0 ] && [ -n "$failed" ]; then
  status=1
fi
exit "$status"

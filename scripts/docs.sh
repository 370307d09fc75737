#!/usr/bin/env bash
# Builds the documentation into docs/_build/html; a warning is an error.
#
#     scripts/docs.sh [SPHINX-ARGUMENT ...]
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
cd "$root"
bash scripts/setup-env.sh docs
.venv/bin/python -m sphinx --fail-on-warning --keep-going --quiet -b html "$@" docs docs/_build/html </dev/null
echo "docs/_build/html/index.html"

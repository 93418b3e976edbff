#!/usr/bin/env bash
# Install everything into a virtual environment: `make setup`. Instant when nothing changed (the Makefile's stamp).
set -euo pipefail
cd "$(dirname "$0")/.."

venv="${VENV:-.venv}"
oldest="3.11"

say() { printf 'setup: %s\n' "$*" >&2; }

# The interpreter asked for, else the newest one that is new enough.
find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  say "Python $oldest or newer is needed, and ${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>&1 || true)."
  say "Install python$oldest and python$oldest-venv, or name one: make setup PYTHON=/path/to/python$oldest"
  exit 1
}

if ! [ -x "$venv/bin/python" ]; then
  python="$(find_python)"
  say "making $venv with $("$python" -V)"
  "$python" -m venv "$venv" || { say "no venv: install the package python3-venv"; exit 1; }
fi

pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet install)
say "installing requirements.lock"
"${pip[@]}" --require-hashes -r requirements.lock

# The project itself, as a link to this folder; setuptools comes from the lock, so nothing is downloaded here.
"${pip[@]}" --no-deps --no-index --no-build-isolation --editable .
say "done: $venv/bin/vidare"

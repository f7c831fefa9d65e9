#!/usr/bin/env bash
# Makes the virtual environment: no root, nothing installed by hand. Called by make; VENV and PYTHON may be set.
set -euo pipefail
venv=${VENV:-.venv}
python=${PYTHON:-python3}
extras='.[edge,server,sim,dev]'

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Tepna needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1). Set PYTHON=/path/to/python3.11." >&2
  exit 1
}
echo "Setting up $venv (about a minute the first time) ..."
rm -rf "$venv"
if "$python" -c 'import ensurepip' 2>/dev/null; then
  "$python" -m venv "$venv"
else # Debian without python3-venv: its pip wheel comes as a package, and unpacking needs no root
  wheels=$(mktemp -d)
  trap 'rm -rf "$wheels"' EXIT
  (cd "$wheels" && apt-get download -q python3-pip-whl && dpkg -x ./*.deb .) || {
    echo "Python has no ensurepip and python3-pip-whl could not be downloaded. Install python3-venv, then run again." >&2
    exit 1
  }
  "$python" -m venv --without-pip "$venv"
  PYTHONPATH=$(echo "$wheels"/usr/share/python-wheels/pip-*.whl) "$venv/bin/python" -m pip install --quiet --no-index \
    "$wheels"/usr/share/python-wheels/pip-*.whl
fi
"$venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt uv 2>/dev/null || true
# uv is six times faster; where it cannot reach the index that pip is configured for, pip does the same.
if ! "$venv/bin/uv" pip install --python "$venv/bin/python" --constraint constraints.txt --editable "$extras"; then
  echo "uv could not install; trying pip (slower) ..."
  "$venv/bin/pip" install --disable-pip-version-check --progress-bar on --constraint constraints.txt --editable "$extras"
fi
touch "$venv/.ready"

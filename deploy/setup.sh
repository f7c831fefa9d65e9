#!/usr/bin/env bash
# Makes the virtual environment: no root, nothing installed by hand. Called by make; VENV and PYTHON may be set.
set -euo pipefail
venv=${VENV:-.venv}
python=${PYTHON:-python3}
extras='.[edge,server,sim,dev]'

fail() {
  echo "setup: $*" >&2
  exit 1
}

# Debian without python3-venv has no ensurepip: its pip comes as a package, and unpacking needs no root.
pip_from_debian() {
  local dir apt
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' RETURN
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  apt=(apt-get -qq -o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache")
  (cd "$dir" && { apt-get -qq download python3-pip-whl || { "${apt[@]}" update && "${apt[@]}" download python3-pip-whl; }; } &&
    dpkg -x python3-pip-whl_*.deb .) || return 1
  "$python" -m venv --clear --without-pip "$venv"
  PYTHONPATH=$(echo "$dir"/usr/share/python-wheels/pip-*.whl) "$venv/bin/python" -m pip install --quiet --no-index \
    "$dir"/usr/share/python-wheels/pip-*.whl
}

command -v "$python" >/dev/null || fail "there is no '$python'. Install Python 3.11 or newer, or set PYTHON=/path/to/it."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Python 3.11 or newer is needed; '$python' is $("$python" -V 2>&1). Set PYTHON=/path/to/python3.11."

if ! "$venv/bin/pip" --version >/dev/null 2>&1; then # absent, half made, or moved from elsewhere
  echo "setup: 1/3 making $venv"
  if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv --clear "$venv"
  else
    pip_from_debian || fail "Python has no ensurepip and python3-pip-whl could not be had. Install python3-venv, then run again."
  fi
fi

# uv is six times faster than pip, but reads none of pip's settings: hand it the index that pip uses.
echo "setup: 2/3 fetching the installer"
index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$("$venv/bin/pip" config get global.index-url 2>/dev/null || true)}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
"$venv/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt uv ||
  echo "setup: uv could not be had; pip will do, slower" >&2

echo "setup: 3/3 installing Tepna and what it needs (350 MB; a minute on a fast line)"
"$venv/bin/uv" pip install --python "$venv/bin/python" --constraint constraints.txt --editable "$extras" || {
  echo "setup: uv could not install; trying pip" >&2
  "$venv/bin/pip" install --disable-pip-version-check --constraint constraints.txt --editable "$extras"
} || fail "the packages could not be installed. Is the package index reachable (PIP_INDEX_URL, proxy), is the disk full? Then run again."
touch "$venv/.ready"

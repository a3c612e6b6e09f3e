#!/bin/bash
# usage: install.sh DEST
# Puts the Autobahn TestSuite 25.10.1 into DEST/py27, unless it is there already. The suite still is Python 2.7 code:
# PYTHON2 names the interpreter; else pyenv's or the system's is taken. Exit status 3: there is none.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"; dest=$(cd "$1" && pwd)

stamp=$dest/installed.txt                      # written last, so a broken-off installation is done again
if cmp -s "$here/requirements-lock.txt" "$stamp" && [ -x "$dest/py27/bin/python" ]; then exit 0; fi

python2=${PYTHON2:-}
if [ -z "$python2" ] && command -v pyenv >/dev/null; then
  # Not the shim: it refuses to start an interpreter that pyenv has not been told to make global.
  python2=$(find "$(pyenv root)/versions" -path '*/2.7.*/bin/python2.7' | sort -V | tail -n 1)
fi
[ -n "$python2" ] || python2=$(command -v python2.7 || true)
"$python2" -c '' 2>/dev/null || { echo "the Autobahn TestSuite needs Python 2.7: none found; set PYTHON2" >&2; exit 3; }

retry() { "$@" || { echo "failed, once more in 5 s: $*" >&2; sleep 5; "$@"; }; }
# Python 2.7 is past its end of life; pip need not say so at every call.
export PIP_NO_PYTHON_VERSION_WARNING=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONWARNINGS=ignore
rm -rf "$dest/py27" "$dest/virtualenv" "$stamp"
retry "$python2" -m pip install -q --upgrade --target "$dest/virtualenv" virtualenv==20.15.1
PYTHONPATH=$dest/virtualenv "$python2" -m virtualenv -q -p "$python2" "$dest/py27"
# Without dependency resolution: the suite's own requirements are lost, the lock file is the whole list.
retry "$dest/py27/bin/python" -m pip install -q --no-deps setuptools==44.0.0 -r "$here/requirements-lock.txt"
"$dest/py27/bin/wstest" -a
cp "$here/requirements-lock.txt" "$stamp"

# Sourced by the scripts of tests/: paths and helpers, no side effects beyond exports.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/target/tools                       # everything a script installs that is not an apt package

# One target folder for all packages of the checkout: dependencies are compiled once.
export CARGO_TARGET_DIR=$root/target
# These would silently replace what the packages configure, and rebuild everything.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET RUSTC
export CARGO_TERM_PROGRESS_WHEN=never DEBIAN_FRONTEND=noninteractive

die() { echo "$*" >&2; exit 1; }

# Networks fail: once more, then give up. For commands only (in a function, `||` would switch errexit off).
retry() { "$@" || { echo "failed, once more in 5 s: $*" >&2; sleep 5; "$@"; }; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -nE "$@"; fi; }

# Installs those of the Debian packages that are missing; touches neither apt nor the network if none is.
apt_install() {
  local p missing=()
  for p; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "not a Debian machine; install by hand: ${missing[*]}"
  mkdir -p "$tools"
  echo "apt-get install ${missing[*]}" >&2
  # The lists are fetched once per run (stages are processes of their own, hence a file).
  if [ -z "$(find "$tools" -maxdepth 1 -name .apt-updated -mmin -60)" ]; then
    retry as_root apt-get update -q >&2
    touch "$tools/.apt-updated"
  fi
  retry as_root apt-get install -qy --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >&2
}

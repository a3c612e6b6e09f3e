#!/bin/bash
# usage: toolchain.sh DEST TARGET...
# Prints the rustc that can compile for all these bare-metal targets. That is rustup's own if the targets are
# installed (`rustup target add TARGET`). Where they cannot be had, Debian's rustc-web and the library source that
# matches it serve: core and alloc are built once into DEST, and DEST/bin/rustc is printed.
# Use it with the ordinary cargo:  RUSTC=$(toolchain.sh DEST TARGET) cargo build --release --target TARGET
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ $# -ge 2 ] || die "usage: toolchain.sh DEST TARGET..."
mkdir -p "$1"; dest=$(cd "$1" && pwd); shift

sysroot=$(rustc --print sysroot)
lacking=0
for t; do [ -d "$sysroot/lib/rustlib/$t/lib" ] || lacking=1; done
if [ $lacking = 0 ]; then echo "$sysroot/bin/rustc"; exit; fi

# A rustc takes only libraries that it compiled itself (E0514), so rustup's cannot be mixed with Debian's source.
apt_install rustc-web rust-web-src rust-web-clippy ||
  die "no targets: run 'rustup target add $*', or use a Debian that has the package rustc-web"
debian_rustc=/usr/bin/rustc
host=$("$debian_rustc" -vV | sed -n 's/^host: //p')

# 1. A sysroot: a wrapper that names it, Debian's host std (build scripts, proc macros), and rustup's rust-lld,
#    which Debian's compiler lacks.
mkdir -p "$dest/bin" "$dest/lib/rustlib/$host/bin"
# shellcheck disable=SC2016
printf '#!/bin/sh\nexec %s --sysroot "${0%%/bin/rustc}" "$@"\n' "$debian_rustc" > "$dest/bin/rustc.new"
chmod +x "$dest/bin/rustc.new"; mv "$dest/bin/rustc.new" "$dest/bin/rustc"
ln -sfn "/usr/lib/rustlib/$host/lib" "$dest/lib/rustlib/$host/lib"
ln -sfn "$sysroot/lib/rustlib/$host/bin/rust-lld" "$dest/lib/rustlib/$host/bin/rust-lld"

# 2. core, alloc, compiler_builtins and panic_abort for each target, with bitcode so that fat LTO works.
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir "$work/src"; echo '#![no_std]' > "$work/src/lib.rs"
printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[profile.release]\npanic = "abort"\n' \
  > "$work/Cargo.toml"
version=$("$debian_rustc" -V)
for t; do
  lib=$dest/lib/rustlib/$t/lib
  # Debian updates its compiler now and then: what an older one built is of no use.
  if [ "$(cat "$lib/built-by" 2>/dev/null)" = "$version" ]; then continue; fi
  echo "building core and alloc for $t with $version" >&2
  ( cd "$work"
    export RUSTC=$debian_rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes
    retry cargo build -q --release --target "$t" --target-dir "$work/target" \
      -Zbuild-std=core,alloc,panic_abort -Zbuild-std-features=compiler-builtins-mem 1>&2 )
  rm -rf "$lib"; mkdir -p "$lib"
  for c in core alloc compiler_builtins panic_abort; do
    cp "$work/target/$t/release/deps/lib$c-"*.rlib "$lib/"
  done
  echo "$version" > "$lib/built-by"
  rm -rf "$work/target/$t"
done
echo "$dest/bin/rustc"

#!/usr/bin/env bash
# Makes sure that the programs which building and testing need are there. Debian packages are installed where
# that is allowed; everything else is named in one line.
set -euo pipefail

missing=()
has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }
# version_at_least WANTED FOUND
version_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

has cargo || missing+=("Rust (https://rustup.rs; rust-toolchain.toml names the version)")
if ! has go || ! version_at_least 1.26 "$(go env GOVERSION | sed 's/^go//')"; then
  missing+=("Go 1.26 or newer (https://go.dev/dl/)")
fi
if ! has node || ! version_at_least 20 "$(node --version | sed 's/^v//')"; then
  missing+=("Node 20 or newer (https://nodejs.org)")
fi

packages=()
has git || packages+=(git)
has sshd || packages+=(openssh-server)
has setpriv || packages+=(util-linux)
if [ ${#packages[@]} -gt 0 ]; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  if has apt-get && { [ -z "$sudo" ] || $sudo true 2>/dev/null; }; then
    echo "setup: installing ${packages[*]}"
    { $sudo apt-get update && $sudo apt-get install --yes --no-install-recommends "${packages[@]}"; } >/dev/null ||
      missing+=("the Debian packages ${packages[*]} (apt-get could not install them)")
  else
    missing+=("the Debian packages ${packages[*]} (apt-get install ${packages[*]})")
  fi
fi

if [ ${#missing[@]} -gt 0 ]; then
  printf 'setup: missing: %s\n' "${missing[@]}" >&2
  exit 1
fi
echo "setup: everything is there"

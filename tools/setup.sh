#!/usr/bin/env bash
# Installs the Debian packages that building and testing need where it may, and names in one line each what is missing
# where it may not. Quiet when everything is there.
set -euo pipefail

missing=()

# command, Debian package, what to say when it cannot be installed
packages=()
need() { command -v "$1" >/dev/null || packages+=("$2"); }
need git git
need cc gcc
need make make
need sshd openssh-server
need chromium chromium
need prometheus prometheus
need openssl openssl

# sshd is not on every user's PATH.
[ -x /usr/sbin/sshd ] && packages=("${packages[@]/openssh-server/}")
read -ra packages <<<"${packages[*]-}"

if [ ${#packages[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "setup: installing ${packages[*]}"
    # The tests start their own Prometheus; the package's service is not wanted.
    if [ -d /run/systemd/system ] && [[ " ${packages[*]} " == *" prometheus "* ]]; then
      systemctl mask --quiet prometheus.service || true
    fi
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >/dev/null ||
      missing+=("${packages[*]} (apt-get install failed)")
  else
    missing+=("${packages[*]} (run: sudo apt-get install ${packages[*]})")
  fi
fi

command -v cargo >/dev/null || missing+=("Rust (https://rustup.rs)")

# at_least WANTED HAVE
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

if ! command -v go >/dev/null; then
  missing+=("Go 1.26 or newer (https://go.dev/dl/)")
elif ! at_least 1.26 "$(go env GOVERSION | sed 's/^go//')"; then
  missing+=("Go 1.26 or newer, found $(go env GOVERSION)")
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  missing+=("Node 20 with npm (https://nodejs.org)")
elif ! at_least 20.19 "$(node --version | sed 's/^v//')"; then
  missing+=("Node 20.19 or newer, found $(node --version)")
fi

if [ ${#missing[@]} -gt 0 ]; then
  printf 'setup: missing: %s\n' "${missing[@]}" >&2
  exit 1
fi

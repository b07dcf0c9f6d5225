#!/bin/sh
# SPDX-License-Identifier: MIT
# need.sh PACKAGE...: sees to it that Debian packages are there. Installs what is missing when it is root,
# otherwise names it. Where there is no dpkg, CMake says what it misses.
set -eu
command -v dpkg-query >/dev/null 2>&1 || exit 0
missing=
for package in "$@"; do
  case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true) in
    *' installed') ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "Packages are missing; install them with: sudo apt-get install$missing" >&2
  exit 1
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086  # a list of words
apt-get install -qq -y --no-install-recommends $missing >/dev/null

#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the library, the tool and the tests in build/, and runs every test that is not labelled long.
set -eu
cd "$(dirname "$0")/.."
cross=
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then cross='g++-aarch64-linux-gnu qemu-user'; fi
# Toolchains of the bindings that are not there already; without one, its binding is skipped.
languages=
command -v cargo >/dev/null || languages="$languages cargo"
command -v go >/dev/null || languages="$languages golang-go"
command -v mcs >/dev/null || languages="$languages mono-mcs mono-runtime"
# shellcheck disable=SC2086  # lists of words
sh tests/need.sh g++ cmake make pkg-config libcli11-dev nlohmann-json3-dev libgtest-dev librapidcheck-dev \
  libbenchmark-dev doxygen valgrind clang clang-format cppcheck shellcheck abigail-tools $cross $languages \
  python3-pytest python3-numpy python3-torch python3-pip python3-setuptools python3-wheel
cmake -S . -B build -DEPLB_TESTS=ON
cmake --build build --parallel "$(nproc)"
ctest --test-dir build --label-exclude long --output-on-failure

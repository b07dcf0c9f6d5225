#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the library, the tool and the tests in build/, and runs every test that is not labelled long.
set -eu
cd "$(dirname "$0")/.."
cross=
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then cross='g++-aarch64-linux-gnu qemu-user'; fi
# shellcheck disable=SC2086  # a list of words
sh tests/need.sh g++ cmake make pkg-config libcli11-dev nlohmann-json3-dev libgtest-dev librapidcheck-dev \
  libbenchmark-dev doxygen $cross
cmake -S . -B build -DEPLB_TESTS=ON
cmake --build build --parallel "$(nproc)"
ctest --test-dir build --label-exclude long --output-on-failure

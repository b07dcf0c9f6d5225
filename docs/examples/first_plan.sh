#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the library and the tool in build/, makes up the load of a 256-expert model, and plans it for 32 gpus.
set -eu
cd "$(dirname "$0")/../.."
sh tests/need.sh g++ cmake make libcli11-dev nlohmann-json3-dev libyaml-cpp-dev
cmake -S . -B build
cmake --build build --parallel "$(nproc)"
build/src/cli/eplb generate --shape deepseek-v3 --kind real --output build/load.npy
build/src/cli/eplb plan build/load.npy --slots 288 --gpus 32 --format table

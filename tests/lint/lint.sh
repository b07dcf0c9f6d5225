#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh tidy|cppcheck|format|shell [DIRECTORY OF CUDA'S HEADERS]: what a tool finds in the source without running it.
# Their settings: .clang-tidy, .clang-format and cppcheck.txt.
set -eu
cd "$(dirname "$0")/../.."
cuda=${2-}
case $1 in
  tidy | format) program=clang-$1 ;;
  cppcheck) program=cppcheck ;;
  shell) program=shellcheck ;;
  *) echo "lint.sh: no such check: $1" >&2 && exit 2 ;;
esac
if ! command -v "$program" >/dev/null; then
  echo "skipped: $program is not installed; on Debian and Ubuntu: apt-get install $program"
  exit 0
fi

case $1 in
  tidy)
    # clang cannot read the newest CUDA's headers as CUDA; what kernels do is read where their threads are emulated.
    if [ -n "$cuda" ]; then
      sources=$(find src -name '*.cpp')' tests/cuda/emulated_kernels.cpp'
      cuda="-isystem$cuda -isystem$cuda/cccl"
    else
      sources=$(find src -name '*.cpp' ! -path src/backend/cuda/planner.cpp)
    fi
    # shellcheck disable=SC2086  # lists of words
    printf '%s\n' $sources | xargs -P "$(nproc)" -I '{}' clang-tidy --quiet '{}' -- \
      -std=c++20 -DEPLB_KERNELS=baseline -Iinclude -Isrc -Itests $cuda
    ;;
  cppcheck)
    cppcheck --quiet -j "$(nproc)" --error-exitcode=1 --enable=warning,performance,portability,style \
      --suppressions-list=tests/lint/cppcheck.txt --inline-suppr --std=c++20 --std=c99 \
      -Iinclude -Isrc -Itests -DEPLB_KERNELS=baseline src tests/api tests/load tests/consumer docs/examples
    ;;
  format)
    # eplb.h, which is laid out by hand, is not among them, nor what is kept of it.
    find src tests docs bindings -name kept -prune -o '(' -name '*.[ch]' -o -name '*.cpp' -o -name '*.cu' ')' \
      -exec clang-format --dry-run -Werror '{}' +
    ;;
  shell)
    find src tests docs bindings -name '*.sh' -exec shellcheck '{}' +
    ;;
esac

#!/bin/sh
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."
usage='run.sh [--core | --all]: builds, runs tests, and says which it has skipped or left out. As root on Debian and Ubuntu
it installs what it needs first, elsewhere it names it.
  --core  the tests of the core, in build-core; needs a compiler, CMake and GoogleTest
  (none)  all that is built, and every test that is not labelled long, in build
  --all   those too: sanitizers, valgrind, another processor, fuzzing, coverage'
case $* in
  '') preset=release tests=release build=build ;;
  --core) preset=core tests=core build=build-core ;;
  --all) preset=release tests=all build=build ;;
  -h | --help) echo "$usage" && exit ;;
  *) printf 'run.sh: %s is not known\n%s\n' "$*" "$usage" >&2 && exit 2 ;;
esac

sh tests/need.sh g++ cmake make libgtest-dev
if [ "$tests" != core ]; then
  # Toolchains of the bindings that are not there already; without one, its binding is skipped.
  languages=
  command -v cargo >/dev/null || languages="$languages cargo"
  command -v go >/dev/null || languages="$languages golang-go"
  command -v mcs >/dev/null || languages="$languages mono-mcs mono-runtime"
  # shellcheck disable=SC2086  # a list of words
  sh tests/need.sh pkg-config libcli11-dev nlohmann-json3-dev libyaml-cpp-dev librapidcheck-dev libbenchmark-dev doxygen clang-format \
    cppcheck shellcheck abigail-tools $languages python3-pytest python3-numpy python3-torch python3-pip \
    python3-setuptools python3-wheel mypy
fi
if [ "$tests" = all ]; then
  cross=
  if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then cross='g++-aarch64-linux-gnu qemu-user'; fi
  # shellcheck disable=SC2086  # a list of words
  sh tests/need.sh valgrind clang clang-tidy gcovr $cross
  # libFuzzer comes in a package that has clang's version in its name.
  clang=$(dpkg-query -W -f='${Version}' clang 2>/dev/null | sed 's/.*:\([0-9]*\).*/\1/' || true)
  if [ -n "$clang" ]; then sh tests/need.sh "libclang-rt-$clang-dev"; fi
fi

cmake --preset "$preset"
cmake --build --preset "$preset" --parallel "$(nproc)"
report=$PWD/$build/tests.xml
rm -f "$report"
status=0
ctest --preset "$tests" --parallel "$(nproc)" --output-junit "$report" || status=$?

# What skips a test says why: as "skipped: ...", or as GoogleTest and pytest do.
if [ -f "$report" ]; then
  echo
  awk '
    { sub(/^\t*<system-out>/, "") }
    /<testcase / { split($0, quoted, "\""); name = quoted[2]; whole = /status="notrun"/ }
    whole && /^(skipped|no CUDA device): / || /^SKIPPED \[/ || after_skipped { print "  " name ": " $0 }
    { after_skipped = /: Skipped$/ }' "$report" |
    sed "s/: skipped: /: /; s/&quot;/\"/g; s/&apos;/'/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g" |
    awk 'NR == 1 { print "Skipped:" } !said[$0]++'
fi
case "$tests" in
  core) echo 'Not run: all tests but those of the core. They are run by: sh tests/run.sh' ;;
  release)
    echo 'Not run, because they are labelled long:'
    ctest --preset all -N -L long | sed -n 's/^ *Test *#[0-9]*: /  /p'
    echo 'They are run by: sh tests/run.sh --all'
    ;;
esac
exit $status

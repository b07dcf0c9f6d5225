#!/bin/sh
# SPDX-License-Identifier: MIT
# report_resources.sh COMMAND... -o OBJECT...: runs nvcc, which has been told -Xptxas=-v, and makes one table of what
# ptxas says of each kernel and architecture. The table is printed and kept as OBJECT.resources; whatever else nvcc says
# is passed on. Without a successful compilation there is no table.
set -eu
object=
before=
for argument in "$@"; do
  if [ "$before" = -o ]; then object=$argument; fi
  before=$argument
done
file=$object.resources
trap 'rm -f "$file.said" "$file.new"' EXIT
trap 'exit 1' HUP INT TERM

rm -f "$file"
status=0
"$@" 2>"$file.said" || status=$?

# Functions that a kernel calls have properties of their own, without registers. The kernel's cumulative stack size
# counts their stack, and so shows that one of them spills.
awk '
  function number_before(words) {
    return match($0, "[0-9]+ " words) ? substr($0, RSTART, RLENGTH) + 0 : 0
  }
  # The last name in _ZN4eplb3fooENS_3jobE, _Z3foo3job or _ZN4eplb3fooILi8EEEvi; a name that is not mangled, itself.
  function demangled(name,    rest, digits, nested) {
    rest = name
    if (!sub(/^_ZN?/, "", rest)) return name
    nested = name ~ /^_ZN/
    while (match(rest, /^L?[0-9]+/)) {
      digits = substr(rest, 1, RLENGTH)
      rest = substr(rest, RLENGTH + 1)
      sub(/^L/, "", digits)
      name = substr(rest, 1, digits + 0)
      rest = substr(rest, digits + 1)
      if (!nested) break
    }
    return name
  }
  /^ptxas info *: Compiling entry function / {
    split($0, quoted, "\047")
    kernel = quoted[2]
    architecture = quoted[4]
    stack = stores = loads = "?"
    next
  }
  /^ptxas info *: Function properties for / {
    described = $NF
    next
  }
  /^ +[0-9]+ bytes stack frame,/ {
    if (described == kernel) {
      stack = number_before("bytes stack frame")
      stores = number_before("bytes spill stores")
      loads = number_before("bytes spill loads")
    }
    next
  }
  /^ptxas info *: Used [0-9]+ registers/ {
    cumulative = number_before("bytes cumulative stack size")
    row[++rows] = architecture
    short[rows] = demangled(kernel)
    numbers[rows] = sprintf("%9d  %6d  %5s  %12s  %11s", number_before("registers"), number_before("bytes smem"),
                            cumulative > stack ? cumulative : stack, stores, loads)
    if (length(short[rows]) > width) width = length(short[rows])
    next
  }
  /^ptxas info *: (Compile time =|[0-9]+ bytes (gmem|cmem))/ { next }
  { print | "cat >&2" }
  END {
    if (rows == 0) exit
    printf "%-12s  %-" width "s  registers  shared  stack  spill-stores  spill-loads\n", "architecture", "kernel"
    for (i = 1; i <= rows; ++i) printf "%-12s  %-" width "s  %s\n", row[i], short[i], numbers[i]
  }' "$file.said" >"$file.new"

if [ "$status" = 0 ] && [ -s "$file.new" ]; then
  mv "$file.new" "$file"
  cat "$file"
fi
exit "$status"

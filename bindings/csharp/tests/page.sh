#!/bin/sh
# SPDX-License-Identifier: MIT
# page.sh PAGE DLL DIRECTORY MCS MONO: compiles and runs each program of a page, which are its blocks of csharp.
set -eu
page=$1 dll=$2 directory=$3 mcs=$4 mono=$5
rm -rf "$directory"
mkdir -p "$directory"
awk -v directory="$directory" '
  /^```csharp$/ { file = directory "/program" ++count ".cs"; next }
  /^```$/ { file = "" }
  file { print > file }' "$page"
for source in "$directory"/program*.cs; do
  echo "== $source"
  "$mcs" -unsafe -langversion:7.2 -warn:4 -warnaserror -r:"$dll" -r:System.Core.dll -out:"${source%.cs}.exe" "$source"
  "$mono" --debug "${source%.cs}.exe"
done

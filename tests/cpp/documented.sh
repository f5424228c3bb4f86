#!/bin/sh
# documented.sh PAGE BUILD_DIR: does what a page says with the installation in LUCET_PREFIX. A block in the page is saved under
# the name in the comment of its first line, like `;; guest.wat` or `/* host.c */`; a text block that follows such a program is
# what it must print. Programs are compiled without warnings, in C11 and C++17.
set -eu
page=$(realpath "$1") build=$2
rm -rf "$build"
mkdir -p "$build"
cd "$build"
# Blocks to files: block-NN.LANGUAGE, in order.
awk '/^```[a-z]/ { language = substr($0, 4); file = sprintf("block-%02d.%s", ++count, language); inside = 1; next }
  /^```$/ { inside = 0; next }
  inside { print >file }' "$page"
warnings="-Wall -Wextra -pedantic -Wconversion -Wshadow -Werror"
link="-I$LUCET_PREFIX/include -L$LUCET_PREFIX/lib -llucet"
export LD_LIBRARY_PATH="$LUCET_PREFIX/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
programs=0 compared=0
for block in block-*; do
  name=$(head -1 "$block" | sed -n 's,^\(;;\|/\*\|//\) \([a-z_]*\.[a-z]*\).*,\2,p')
  case $block in
  *.text)
    diff "$block" actual || { echo "$block: not what the program prints"; exit 1; }
    compared=$((compared + 1))
    ;;
  *.wat | *.c | *.cpp)
    [ -n "$name" ] || { echo "$block: its first line has no file name"; exit 1; }
    cp "$block" "$name"
    case $name in
    *.wat) "$LUCET_PREFIX/bin/lucetc" "$name" -o "${name%.wat}.so" ;;
    *.c) gcc -std=c11 $warnings "$name" -o "${name%.c}" $link && "./${name%.c}" ./guest.so >actual && programs=$((programs + 1)) ;;
    *.cpp) g++ -std=c++17 $warnings "$name" -o "${name%.cpp}" $link && "./${name%.cpp}" ./guest.so >actual && programs=$((programs + 1)) ;;
    esac
    ;;
  esac
done
[ $programs -ge 2 ] && [ $compared = $programs ] || { echo "$programs programs, $compared outputs"; exit 1; }
echo "$programs programs print what the page says"

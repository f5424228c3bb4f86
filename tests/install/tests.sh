# tests.sh: the tests of run.sh, sourced by it. Each is a command that prints what is wrong and fails.

# wrong MESSAGE...
wrong() {
  echo "$*"
  return 1
}

# install_and_move DIRECTORY OPTION...: to a prefix that is gone afterwards.
install_and_move() {
  local to=$1
  shift
  rm -rf "$work/prefix" "$to"
  "$top/scripts/install.sh" --prefix "$work/prefix" --destdir '' --target-dir "$target" "$@" && mv "$work/prefix" "$to"
}

install_again() {
  local before after
  before=$(find "$moved" -type f -printf '%P %T@\n' | sort)
  "$top/scripts/install.sh" --prefix "$moved" --destdir '' --target-dir "$target" || return
  after=$(find "$moved" -type f -printf '%P %T@\n' | sort)
  diff <(echo "$before") <(echo "$after")
}

install_destdir() {
  make -C "$top" --no-print-directory install CARGO_TARGET_DIR="$target" PREFIX=/opt/lucet DESTDIR="$work/destdir" &&
    diff -r --no-dereference "$moved" "$work/destdir/opt/lucet"
}

layout() { # PREFIX LIBDIR
  local file bad=0
  for file in include/lucet.h include/lucet/typed.h include/lucet/arguments.h include/lucet/{bindings,testing}.h share/lucet/{testing.c,gdb.py,valgrind.supp} bin/lucetc "$2/liblucet.so.$version" "$2/liblucet.so" "$2/liblucet.a" \
    "$2"/cmake/Lucet/Lucet{Config,ConfigVersion,Targets,Module,Nginx}.cmake "$2/pkgconfig/lucet.pc" \
    share/doc/lucet/{LICENSE,README.md,CHANGELOG.md,SECURITY.md}; do
    [ -s "$1/$file" ] || { echo "missing or empty: $file"; bad=1; }
  done
  return $bad
}

soversion() {
  case $version in
  0.*) echo "${version%.*}" ;;
  *) echo "${version%%.*}" ;;
  esac
}

names() { # LIBRARY DIRECTORY
  local name
  name=liblucet.so.$(soversion)
  [ "$(readlink "$1/liblucet.so")" = "$name" ] || wrong "liblucet.so is a link to $(readlink "$1/liblucet.so")" || return
  [ "$(readlink "$1/$name")" = "liblucet.so.$version" ] || wrong "$name is a link to $(readlink "$1/$name")" || return
  readelf -dlW "$1/liblucet.so.$version" >"$work/dynamic"
  cat "$work/dynamic"
  grep -q "SONAME.*\[$name\]" "$work/dynamic" && grep -q NODELETE "$work/dynamic" && grep -q 'Flags: NOW' "$work/dynamic" &&
    ! grep 'RPATH\|RUNPATH\|TEXTREL\|GNU_STACK.*RWE' "$work/dynamic"
}

exports() { # LIBRARY DIRECTORY
  diff <(nm -D --defined-only "$1/liblucet.so" | awk '{ print $3 }' | sort) <(sort "$top/abi/lucet.symbols")
}

no_build_paths() { # PREFIX
  local found
  found=$(grep -rIlF -e "$work" -e "$top" -e "$target" "$1")
  [ -z "$found" ] || wrong "$found"
}

native_libraries() { # PREFIX
  local said pc config
  # In a directory of its own: the extra argument would make cargo link the real one again.
  said=$(cd "$top" && cargo rustc --locked --package lucet --lib --crate-type staticlib --target-dir "$work/native" \
    -- --print native-static-libs 2>&1 | sed -n 's/^note: native-static-libs: //p')
  pc=$(sed -n 's/^Libs.private: \(.*\) -Wl,-z,nodelete.*/\1/p' "$1/lib/pkgconfig/lucet.pc")
  config=$(sed -n 's/.*INTERFACE_LINK_LIBRARIES "\(-l.*\)"/\1/p' "$1/lib/cmake/Lucet/LucetTargets.cmake" | tr ';' ' ')
  [ -n "$said" ] && [ "$said" = "$pc" ] && [ "$said" = "$config" ] || wrong "rustc: $said; pkg-config: $pc; CMake: $config"
}

# consumer BUILD OPTION...: the project consumer/, built and run.
consumer() {
  local build=$1
  shift
  cmake -S "$here/consumer" -B "$build" -DLUCET_C_GUEST="$(c_guests)" "$@" && cmake --build "$build" --parallel 2 &&
    ctest --test-dir "$build" --output-on-failure --no-tests=error
}

# Guests in C need a clang; the suite is complete without one but for that test.
c_guests() { if command -v clang-16 >/dev/null && command -v wasm-ld-16 >/dev/null; then echo ON; else echo OFF; fi; }

consumer_static() {
  consumer "$work/consumer-static" -DCMAKE_PREFIX_PATH="$moved" -DLucet_USE_STATIC_LIBS=ON &&
    not_needed "$work/consumer-static/default-c"
}

needs_soname() { readelf -d "$1" | grep "NEEDED.*\[liblucet.so.$(soversion)\]"; }

not_needed() { ! readelf -d "$1" | grep 'NEEDED.*liblucet'; }

ldd_resolves() { # BUILD
  local program
  for program in "$1"/{default,static}-{c,cpp}; do
    ldd "$program" || return
    ! ldd "$program" | grep 'not found' || return
  done
}

# configure PREFIX CALL: configures a project that consists of this call of find_package and whatever follows it.
configure() {
  rm -rf "$work/find"
  mkdir -p "$work/find"
  printf 'cmake_minimum_required(VERSION 3.22)\nproject(find LANGUAGES C)\n%s\n' "$2" >"$work/find/CMakeLists.txt"
  cmake -S "$work/find" -B "$work/find/build" -DCMAKE_PREFIX_PATH="$1"
}

found() { configure "$1" 'find_package(Lucet CONFIG REQUIRED COMPONENTS shared static compiler)'; }

# refused REGEX PREFIX CALL: the call fails and says why.
refused() {
  if configure "$2" "$3" >"$work/refused" 2>&1; then
    cat "$work/refused"
    wrong "this was accepted: $3"
    return
  fi
  tr -s ' \n' ' ' <"$work/refused" | grep -Eq "$1" || { cat "$work/refused"; wrong "expected the message /$1/"; }
}

versions() { # PREFIX
  local ask
  # The current version only: the same minor version, and none that is newer.
  local major=${version%%.*} rest=${version#*.}
  local minor=${rest%%.*} patch=${rest#*.}
  for ask in "$major.$minor" "$version" "$version EXACT" "$major.$minor...$major.$((minor + 1))" ''; do
    configure "$1" "find_package(Lucet $ask CONFIG REQUIRED)" || return
  done
  for ask in "$major.$((minor + 1))" "$major.$minor.$((patch + 1))" "$((major + 1))" "$major.$((minor + 1))...$major.99"; do
    refused 'compatible with|range|version' "$1" "find_package(Lucet $ask CONFIG REQUIRED)" || return
  done
  # What asks for an older ABI is refused as well, which no minor version has yet: pretend to be 0.2.
  cp -r "$1" "$work/newer"
  sed -i "s/$version/0.2.0/; s/\"0\.1\"/\"0.2\"/g" "$work/newer/lib/cmake/Lucet/LucetConfigVersion.cmake"
  configure "$work/newer" 'find_package(Lucet 0.2 CONFIG REQUIRED)' || return
  refused 'compatible with' "$work/newer" 'find_package(Lucet 0.1 CONFIG REQUIRED)'
}

unknown_component() { refused 'no component "gadget"' "$1" 'find_package(Lucet CONFIG REQUIRED COMPONENTS shared gadget)'; }

missing_compiler() { # PREFIX
  rm -rf "$work/partial"
  cp -r "$1" "$work/partial"
  rm "$work/partial/bin/lucetc" "$work/partial/lib/liblucet.a"
  configure "$work/partial" 'find_package(Lucet CONFIG REQUIRED COMPONENTS shared)' &&
    refused 'no component "compiler"' "$work/partial" 'find_package(Lucet CONFIG REQUIRED COMPONENTS compiler)'
}

module_arguments() { # PREFIX
  local package='find_package(Lucet CONFIG REQUIRED)'
  refused 'NAME is missing' "$1" "$package
lucet_add_module(WASM a.wasm)" &&
    refused 'give one of WASM, WAT and C' "$1" "$package
lucet_add_module(NAME a)" &&
    refused 'what is a;b.wasm' "$1" "$package
lucet_add_module(a b.wasm NAME c WASM d.wasm)"
}

# pkg_config DIRECTORY c|c++ shared|static
nginx_is_here() { [ -n "$(nginx_program)" ] && [ -e /usr/share/nginx/src/src/core/nginx.h ] && command -v python3; }
nginx_program() { command -v nginx || { [ -x /usr/sbin/nginx ] && echo /usr/sbin/nginx; }; }

# nginx_module PREFIX shared|static: somebody's module, built outside of the tree, loaded by nginx, and asked.
nginx_module() {
  local build="$work/nginx-$2" status=0
  rm -rf "$build"
  mkdir -p "$build"
  cp -r "$here/nginx" "$build/source"
  cmake -S "$build/source" -B "$build/build" -DCMAKE_PREFIX_PATH="$1" -DLucet_USE_STATIC_LIBS="$([ "$2" = static ] && echo ON)" &&
    cmake --build "$build/build" && ctest --test-dir "$build/build" --output-on-failure --no-tests=error || return
  readelf -d "$build/build/ngx_http_greeter_module.so" | grep NODELETE || return
  nm -D --defined-only "$build/build/ngx_http_greeter_module.so" | awk '{ print $NF }' | sort | xargs |
    grep -Fx 'ngx_module_names ngx_module_order ngx_modules' || return
  cat >"$build/nginx.conf" <<CONF
load_module "$build/build/ngx_http_greeter_module.so";
pid "$build/pid";
error_log "$build/error.log";
events {}
http {
  access_log off;
  client_body_temp_path "$build/body"; proxy_temp_path "$build/proxy"; fastcgi_temp_path "$build/fastcgi";
  uwsgi_temp_path "$build/uwsgi"; scgi_temp_path "$build/scgi";
  server { listen "unix:$build/socket"; location / { greet; } }
}
CONF
  "$(nginx_program)" -c "$build/nginx.conf" -e "$build/error.log" || return
  python3 - "$build/socket" <<'PYTHON' | tee "$build/answer"
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
print(b"".join(iter(lambda: s.recv(4096), b"")).decode())
PYTHON
  kill "$(cat "$build/pid")"
  grep -x 'lucet 256' "$build/answer" && grep -a 'X-Greeter: here' "$build/answer"
}

# What it says when there is nothing to build from, and when it is used wrongly.
nginx_refusals() { # PREFIX
  refused 'There is no nginx source in NGINX_SOURCE_DIR, /nowhere: install nginx-dev' "$1" \
    'find_package(Lucet CONFIG REQUIRED)
     set(NGINX_SOURCE_DIR /nowhere)
     lucet_add_nginx_module(m SOURCES m.c)' &&
    refused 'lucet_add_nginx_module\(m\): expected SOURCES' "$1" 'find_package(Lucet CONFIG REQUIRED)
     lucet_add_nginx_module(m)' &&
    refused 'what is "OPTION;x"' "$1" 'find_package(Lucet CONFIG REQUIRED)
     lucet_add_nginx_module(m OPTION x SOURCES m.c)'
}

pkg_config() {
  local compiler=cc source=program.c program=$work/pkg-$2-$3 flags
  [ "$2" = c ] || compiler=c++ source=program.cpp
  export PKG_CONFIG_PATH=$1
  if [ "$3" = shared ]; then
    flags=$(pkg-config --cflags --libs lucet) || return
  else
    flags=$(pkg-config --static --cflags --libs lucet) || return
    flags=${flags/-llucet/-l:liblucet.a}
  fi
  # As make would use them: pkg-config escapes the blank in the path.
  eval "$compiler -Wall -Wextra -pedantic -Werror -o '$program' '$here/consumer/$source' $flags" || return
  "$(variable lucetc)" -o "$work/pkg.so" "$here/consumer/guest.wat" || return
  [ "$3" = shared ] || not_needed "$program" || return
  LD_LIBRARY_PATH=$(variable libdir) "$program" "$work/pkg.so"
}

# variable NAME: without the backslashes that pkg-config puts before blanks.
variable() { eval "printf '%s\n' $(pkg-config --variable="$1" lucet)"; }

pkg_config_variables() {
  export PKG_CONFIG_PATH=$1
  pkg-config --validate lucet && [ "$(pkg-config --modversion lucet)" = "$version" ] && pkg-config --atleast-version=0.1 lucet &&
    "$(variable lucetc)" --version
}

cmake_build() {
  cmake -S "$top" -B "$work/cmake" -DCMAKE_INSTALL_PREFIX="$work/unused" -DLUCET_CARGO_TARGET_DIR="$target" &&
    cmake --build "$work/cmake"
}

cmake_install() {
  cmake --install "$work/cmake" --prefix "$work/cmake-prefix" && diff -r --no-dereference "$moved" "$work/cmake-prefix" &&
    grep "cmake-prefix/lib/liblucet.so.$version\$" "$work/cmake/install_manifest.txt" && [ ! -e "$work/unused" ]
}

cmake_components() {
  local lib=$work/components/lib
  cmake --install "$work/cmake" --prefix "$work/components" --component Runtime || return
  [ -e "$lib/liblucet.so.$(soversion)" ] && [ ! -e "$lib/liblucet.so" ] && [ ! -e "$work/components/bin" ] || return
  cmake --install "$work/cmake" --prefix "$work/components" --component Compiler &&
    [ -x "$work/components/bin/lucetc" ] && [ ! -e "$work/components/include" ]
}

# What is installed works by itself: the program, its plugins, the Lua library, and hone.pc for a plugin's author.
if [ "${HONE_SANITIZERS-}" ]; then
    echo "skip the installed hone: built once, without sanitizers"
    exit 0
fi

prefix=$PWD/prefix
mkdir build
(cd build && "$HONE_SOURCE/configure" -q --prefix="$prefix" CFLAGS=-O0) &&
    make -s -j"$(nproc)" -C build &&
    make -s -C build install LIBTOOLFLAGS=--silent || exit 1

unset HONE_PLUGIN_PATH HONE_LUA_PATH LUA_PATH LUA_CPATH
export PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$prefix/lib/pkgconfig

# Report whether the rest of the arguments, a command, succeeds.
holds() {
    local name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}

all_plugins_listed() {
    local file missing=0
    hone plugins >plugins.txt
    for file in "$HONE_BUILD"/stage/plugins/*/*; do
        file=${file#"$HONE_BUILD/stage/plugins/"}
        grep -q "^${file%.*} " plugins.txt || { echo "hone plugins does not list ${file%.*}"; missing=1; }
    done
    return $missing
}

only_plugins() {
    [ -z "$(find "$prefix/lib/hone" -type f ! -name '*.so' ! -name '*.lua')" ]
}

# The line of the plugin author's guide, warnings and all.
compile() {
    # shellcheck disable=SC2046
    "${CC:-cc}" -Wall -Wextra -Werror -shared -fPIC "$1" -o "$2" $(pkg-config --cflags --libs hone)
}

holds "the installed program says its version" test "$(hone version | grep -ow '0\.1\.0' | head -n 1)" = 0.1.0
holds "the installed program lists every plugin" all_plugins_listed
holds "beside the plugins lies nothing else" only_plugins

mkdir -p folder/metric
holds "a plugin compiles with the documented line" \
    compile "$HONE_SOURCE/plugins/metric/overlong.c" folder/metric/overlong.so
holds "hone check accepts it" hone check folder/metric/overlong.so
export HONE_PLUGIN_PATH=$PWD/folder
holds "hone describes it" hone describe metric/overlong
holds "what was dropped into a folder hides what is installed" \
    sh -c 'hone plugins | grep -A1 "folder/metric/overlong.so" | grep -q "(hidden)"'
unset HONE_PLUGIN_PATH

LUA_PATH="$(pkg-config --variable=lua_path hone);;"
LUA_CPATH="$(pkg-config --variable=lua_cpath hone);;"
export LUA_PATH LUA_CPATH
holds "a plain lua5.4 finds the library with the paths of hone.pc" \
    lua5.4 -e 'assert(type(require "hone") == "table")'

make -s -C build uninstall LIBTOOLFLAGS=--silent >/dev/null
holds "uninstalling leaves no file" test -z "$(find "$prefix" -type f -o -type l)"

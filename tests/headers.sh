# Every public header compiles alone, under the strictest C11, and is installed.
for path in "$HONE_SOURCE"/include/hone/*.h; do
    header=hone/${path##*/}
    if echo "#include <$header>" | ${CC:-cc} -std=c11 -Wall -Wextra -pedantic -Werror -fsyntax-only \
        -I "$HONE_SOURCE/include" -x c -; then
        echo "ok $header compiles alone"
    else
        echo "not ok $header compiles alone"
    fi
done

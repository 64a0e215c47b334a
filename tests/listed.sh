# Every source is named in its folder's local.mk: what is not would be missing from the build or the release.
cd "$HONE_SOURCE" || exit 1
lists=$(cat ./*/local.mk include/hone/local.mk)

for file in include/hone/*.h $(find core plugins lua examples docs tests/*.* -type f \
    \( -name '*.[ch]' -o -name '*.lua' -o -name '*.sh' -o -name '*.md' \) | LC_ALL=C sort); do
    case $file in
        plugins/*/*.c | tests/*.c) name=${file%.c} ;;
        *) name=$file ;;
    esac
    if grep -qE "(^|[[:space:]=(/])$name(\.la|\.c)?([[:space:]]|$)" <<<"$lists"; then
        echo "ok $file is listed"
    else
        echo "not ok $file is listed"
    fi
done

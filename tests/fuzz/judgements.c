/* judgements.c -- tables of judgements from any bytes, at every level. */
#include "root.h"

#include <hone/hone.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void fuzz_require(bool holds)
{
    if (!holds)
        abort();
}

/* Numbers into lists stay inside of them, values are finite. */
static void fuzz_walk(const hone_judgements *j)
{
    size_t items = hone_judgements_items(j), annotators = hone_judgements_annotators(j);
    size_t labels = hone_judgements_labels(j), options = hone_judgements_options(j);
    hone_level level = hone_judgements_level(j);

    for (size_t r = 0; r < hone_judgements_count(j); r++) {
        const int32_t *ranked, *ranks;
        const double *numbers;

        fuzz_require((size_t)hone_judgements_item(j)[r] < items);
        fuzz_require(!r || hone_judgements_item(j)[r] >= hone_judgements_item(j)[r - 1]);
        fuzz_require((size_t)hone_judgements_annotator(j)[r] < annotators);
        fuzz_require(hone_judgements_label(j)[r] < (int32_t)labels);
        fuzz_require(isfinite(hone_judgements_value(j)[r]));
        if (level == HONE_PAIR)
            fuzz_require((size_t)hone_judgements_left(j)[r] < options &&
                         (size_t)hone_judgements_right(j)[r] < options);
        for (size_t n = hone_judgements_ranking(j, r, &ranked, &ranks); n; n--)
            fuzz_require((size_t)ranked[n - 1] < options);
        for (size_t n = hone_judgements_region(j, r, &numbers); n; n--)
            fuzz_require(isfinite(numbers[n - 1]) && numbers[n - 1] >= 0);
    }
}

static void fuzz_use(hone_judgements *j)
{
    bool *keep = hone_alloc(hone_judgements_count(j) + 1, sizeof *keep);
    hone_judgements *few = NULL, *pairs = NULL;

    for (size_t r = 0; r < hone_judgements_count(j); r++)
        keep[r] = r % 2;
    fuzz_walk(j);
    fuzz_require(hone_judgements_filter(&few, j, keep, NULL) == HONE_OK);
    fuzz_walk(few);
    if (hone_judgements_level(j) == HONE_RANKING && hone_judgements_count(j) < 100 &&
        hone_judgements_pairs(&pairs, j, NULL) == HONE_OK)
        fuzz_walk(pairs);
    hone_judgements_free(pairs);
    hone_judgements_free(few);
    hone_free(keep);
}

/* The first byte is the level, the second the policy; the rest is the file. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const policies[] = { "error", "latest", "first", "both" };
    static const char *const described[] = { "region", NULL };
    static const char *const endings[] = { "csv", "tsv", "jsonl", "json" };
    hone_judgement_columns columns = { .item = "item", .annotator = "who", .value = "label",
                                       .left = "left", .right = "right", .ranking = "order",
                                       .region = "at", .time = "time" };
    char path[64];

    if (n < 2)
        return 0;
    columns.level = (hone_level)(bytes[0] % 7);
    for (int e = 0; e < 4; e++) {
        hone_judgements *j;
        hone_error err = { 0 };
        FILE *file;
        int code;

        snprintf(path, sizeof path, "%s/hone-fuzz-%ld.%s", fuzz_root(), (long)getpid(), endings[e]);
        file = fopen(path, "wb");
        fuzz_require(file && fwrite(bytes + 2, 1, n - 2, file) == n - 2 && fclose(file) == 0);
        code = hone_judgements_load(&j, path, &columns, policies[bytes[1] % 4],
                                    bytes[1] & 4 ? described : NULL, NULL, &err);
        fuzz_require(!code || (err.message[0] && err.code == code && !j));
        if (!code)
            fuzz_use(j);
        hone_judgements_free(j);
        unlink(path);
    }
    return 0;
}

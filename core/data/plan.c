/* plan.c -- an epoch's batches: examples in shuffled order, as many in a batch
 * as its tokens allow. The order is a function of seed and epoch alone. */
#include "data.h"

#include <stdio.h>

/* Where batches begin, written to starts when it is not NULL; their number. */
static size_t plan_pack(const hone_examples *examples, int64_t tokens, const size_t *order,
                        size_t *starts)
{
    size_t count = hone_examples_count(examples), batches = 0;
    int64_t room = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t n = hone_examples_at(examples, order[i]).count;
        if (i == 0 || n > room) {
            if (starts)
                starts[batches] = i;
            batches++;
            room = tokens;
        }
        room -= n;
    }
    if (starts)
        starts[batches] = count;
    return batches;
}

int hone_examples_plan(const hone_examples *examples, int64_t tokens, uint64_t seed,
                       int64_t epoch, hone_plan *plan, hone_error *err)
{
    size_t count = hone_examples_count(examples);

    *plan = (hone_plan){ 0 };
    if (tokens < 1)
        return hone_fail(err, HONE_EINVAL, "batch: %" PRId64 " tokens; at least 1 allowed",
                         tokens);
    if (!(plan->order = hone_alloc(count + 1, sizeof *plan->order)))
        return hone_fail_memory(err, "the order of an epoch");
    for (size_t i = 0; i < count; i++)
        plan->order[i] = i;
    if (epoch >= 0) {
        char name[40];
        hone_random random;
        snprintf(name, sizeof name, "epoch/%" PRId64, epoch);
        random = hone_random_named(seed, name);
        hone_random_shuffle(&random, plan->order, count);
    }
    plan->batches_count = plan_pack(examples, tokens, plan->order, NULL);
    plan->batches = hone_alloc(plan->batches_count + 1, sizeof *plan->batches);
    if (!plan->batches) {
        hone_plan_free(plan);
        return hone_fail_memory(err, "the batches of an epoch");
    }
    plan_pack(examples, tokens, plan->order, plan->batches);
    return HONE_OK;
}

void hone_plan_free(hone_plan *plan)
{
    hone_free(plan->order);
    hone_free(plan->batches);
    *plan = (hone_plan){ 0 };
}

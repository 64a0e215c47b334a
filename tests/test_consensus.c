/* test_consensus.c -- columns by item, annotator and option. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static hone_error err;

static hone_consensus *consensus_of_three(void)
{
    hone_judgements *j = NULL;
    hone_consensus *c = NULL;

    ck_ok(hone_judgements_new(&j, HONE_NOMINAL, &err));
    ck_ok(hone_judgements_add(j, "p", "ann", "a", 0, &err));
    ck_ok(hone_judgements_add(j, "q", "bob", "b", 0, &err));
    ck_ok(hone_judgements_add(j, "r", "bob", "b", 0, &err));
    ck_ok(hone_consensus_new(&c, j, &err));
    ck_assert_ptr_eq(hone_consensus_judgements(c), j);
    hone_judgements_free(j); /* the consensus holds it */
    return c;
}

START_TEST(a_column_is_made_once_and_begins_as_nan)
{
    hone_consensus *c = consensus_of_three();
    double *skill = hone_consensus_column(c, HONE_ANNOTATORS, "skill", 1, &err);
    size_t width;

    ck_assert(isnan(skill[0]) && isnan(skill[1]));
    skill[1] = 0.5;
    ck_assert_ptr_eq(hone_consensus_column(c, HONE_ANNOTATORS, "skill", 1, &err), skill);
    ck_assert_ptr_eq(hone_consensus_get(c, HONE_ANNOTATORS, "skill", &width), skill);
    ck_assert_uint_eq(width, 1);
    ck_assert_ptr_null(hone_consensus_get(c, HONE_ITEMS, "skill", &width));
    ck_assert_uint_eq(width, 0);
    ck_assert_ptr_null(hone_consensus_column(c, HONE_ANNOTATORS, "skill", 2, &err));
    support_golden("consensus-width", err.message);
    for (int i = 0; i < 20; i++) {
        char name[] = { 'c', (char)('a' + i), 0 };
        ck_assert_ptr_nonnull(hone_consensus_column(c, HONE_ITEMS, name, 3, &err));
    }
    ck_assert_uint_eq(hone_consensus_columns(c, HONE_ITEMS), 20);
    ck_assert_str_eq(hone_consensus_name(c, HONE_ITEMS, 19), "ct");
    ck_assert_ptr_null(hone_consensus_name(c, HONE_ITEMS, 20));
    hone_consensus_free(c);
}
END_TEST

START_TEST(a_tie_and_an_unknown_posterior_decide_nothing)
{
    static const double shares[] = { 0.25, 0.75, 0.5, 0.5, NAN, NAN };
    hone_consensus *c = consensus_of_three();
    double *posterior;
    const double *label, *confidence;

    ck_fails(HONE_ESTATE, hone_consensus_decide(c, &err));
    support_golden("consensus-undecided", err.message);
    posterior = hone_consensus_column(c, HONE_ITEMS, "posterior", 2, &err);
    memcpy(posterior, shares, sizeof shares);
    ck_ok(hone_consensus_decide(c, &err));
    label = hone_consensus_get(c, HONE_ITEMS, "label", NULL);
    confidence = hone_consensus_get(c, HONE_ITEMS, "confidence", NULL);
    ck_assert_double_eq(label[0], 1);
    ck_assert_double_eq(confidence[0], 0.75);
    ck_assert(isnan(label[1]));
    ck_assert_double_eq(confidence[1], 0.5);
    ck_assert(isnan(label[2]) && isnan(confidence[2]));
    hone_consensus_free(c);
}
END_TEST

START_TEST(reasons_add_up)
{
    hone_consensus *c = consensus_of_three();

    ck_assert_ptr_null(hone_consensus_reason(c, HONE_ANNOTATORS, 0));
    ck_ok(hone_consensus_explain(c, HONE_ANNOTATORS, 0, &err, "%d of %d gold", 1, 4));
    ck_ok(hone_consensus_explain(c, HONE_ANNOTATORS, 0, &err, "too fast"));
    ck_assert_str_eq(hone_consensus_reason(c, HONE_ANNOTATORS, 0), "1 of 4 gold; too fast");
    ck_assert_ptr_null(hone_consensus_reason(c, HONE_ANNOTATORS, 1));
    ck_assert_ptr_null(hone_consensus_reason(c, HONE_ANNOTATORS, 9));
    ck_fails(HONE_EINVAL, hone_consensus_explain(c, HONE_ANNOTATORS, 9, &err, "x"));
    support_golden("consensus-row", err.message);
    hone_consensus_free(c);
}
END_TEST

START_TEST(figures_are_finite)
{
    hone_consensus *c = consensus_of_three();

    ck_ok(hone_consensus_set(c, "iterations", 12, &err));
    ck_ok(hone_consensus_set(c, "log_likelihood", -1.5, &err));
    ck_ok(hone_consensus_set_json(c, "undefined", json_string("unanimous"), &err));
    ck_assert(json_is_integer(hone_json_get(hone_consensus_figures(c), "iterations")));
    ck_assert_double_eq(json_real_value(hone_json_get(hone_consensus_figures(c),
                                                      "log_likelihood")), -1.5);
    ck_fails(HONE_ENUMERIC, hone_consensus_set(c, "bad", NAN, &err));
    support_golden("consensus-figure", err.message);
    ck_assert_ptr_null(hone_json_get(hone_consensus_figures(c), "bad"));
    hone_consensus_free(c);
}
END_TEST

static int everything(const hone_judgements *j)
{
    hone_consensus *c = NULL;
    int code = hone_consensus_new(&c, j, &err);
    double *posterior = code ? NULL : hone_consensus_column(c, HONE_ITEMS, "posterior", 2, &err);

    if (!code)
        code = posterior ? HONE_OK : HONE_ENOMEM;
    if (!code)
        code = hone_consensus_decide(c, &err);
    if (!code)
        code = hone_consensus_explain(c, HONE_ITEMS, 0, &err, "one");
    if (!code)
        code = hone_consensus_explain(c, HONE_ITEMS, 0, &err, "two");
    hone_consensus_free(c);
    return code;
}

START_TEST(each_failing_allocation_is_an_error_and_leaks_nothing)
{
    hone_consensus *c = consensus_of_three();
    int64_t live = hone_alloc_live();
    int code = HONE_ENOMEM;

    for (uint64_t n = 1; code != HONE_OK; n++) {
        ck_assert_uint_lt(n, 1000);
        hone_alloc_fail_after(n);
        code = everything(hone_consensus_judgements(c));
        hone_alloc_fail_after(0);
        ck_assert(code == HONE_OK || code == HONE_ENOMEM);
        ck_assert_int_eq(hone_alloc_live(), live);
    }
    hone_consensus_free(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("consensus");
    TCase *all = tcase_create("consensus");

    tcase_add_test(all, a_column_is_made_once_and_begins_as_nan);
    tcase_add_test(all, a_tie_and_an_unknown_posterior_decide_nothing);
    tcase_add_test(all, reasons_add_up);
    tcase_add_test(all, figures_are_finite);
    tcase_add_test(all, each_failing_allocation_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, all);
    return support_run(suite);
}

/* test_params.c -- naming and finding parameters, through a model plugin made
 * here, whose build is what a test says. */
#include "support.h"

#include <string.h>

static hone_error err;
static hone_context *context;
static hone_model *model;
static void (*naming)(hone_params *p);

static int fake_configure(void *self, const hone_json *config, hone_error *e)
{
    (void)self, (void)config, (void)e;
    return HONE_OK;
}

static int fake_build(void *self, hone_params *p, hone_error *e)
{
    (void)self;
    naming(p);
    return hone_params_done(p, e);
}

static hone_tensor *fake_embed(void *self, hone_graph *g, const hone_batch *batch)
{
    (void)self, (void)batch;
    return hone_graph_fail(g, HONE_EUNSUPPORTED, "a model of names only");
}

static hone_tensor *fake_block(void *self, hone_graph *g, int64_t layer, hone_tensor *x,
                               const hone_batch *batch, hone_cache *cache)
{
    (void)self, (void)g, (void)layer, (void)batch, (void)cache;
    return x;
}

static hone_tensor *fake_finish(void *self, hone_graph *g, hone_tensor *x)
{
    (void)self, (void)g;
    return x;
}

static const char *const types[] = { "fake", NULL };
static const hone_model_ops ops = {
    .size = sizeof ops, .model_types = types, .configure = fake_configure, .build = fake_build,
    .embed = fake_embed, .block = fake_block, .finish = fake_finish,
};
static const hone_plugin plugin = {
    .size = sizeof plugin, .abi = HONE_ABI, .option_size = sizeof(hone_option), .kind = "model",
    .name = "fake", .version = "1", .summary = "names", .source = "none", .instance_size = 8,
    .ops = &ops,
};

static void setup(void)
{
    context = support_context();
    ck_ok(hone_plugin_register(context, &plugin, &err));
}

static void teardown(void)
{
    hone_model_free(model);
    hone_context_free(context);
    model = NULL;
}

static int make(void (*names)(hone_params *p))
{
    hone_json *json = NULL;
    int code;

    naming = names;
    ck_ok(hone_json_parse(&json, "{\"model_type\":\"fake\"}", 21, "config", &err));
    err = (hone_error){0};
    code = hone_model_new(&model, context, json, NULL, 1, &err);
    hone_json_free(json);
    return code;
}

static hone_param *ends(hone_params *p)
{
    hone_param *embedding = hone_param_new(p, "embedding", "wte", 5, 4, false);

    hone_param_tie(p, "head", "lm_head", embedding);
    return embedding;
}

static void name_all(hone_params *p)
{
    ends(p);
    for (int64_t l = 0; l < 3; l++) {
        hone_params_enter(p, l, "layers.%d", (int)l);
        hone_param_new(p, "norm", "ln", 1, 4, true);
        hone_params_enter(p, l, "attn");
        hone_param_new(p, "q", "q", 6, 4, true);
        hone_param_new_transposed(p, "up", "up", 6, 4, true);
        hone_params_leave(p);
        hone_params_leave(p);
    }
}

START_TEST(names_shapes_and_layers_are_what_build_said)
{
    hone_params *p;
    hone_param *q, *up, *head;

    ck_ok(make(name_all));
    p = hone_model_params(model);
    ck_assert_uint_eq(hone_params_count(p), 11);
    ck_assert_int_eq(hone_model_layers(model), 3);
    ck_assert_int_eq(hone_model_vocab(model), 5);
    ck_assert_int_eq(hone_model_width(model), 4);
    q = hone_params_find(p, "layers.2.attn.q");
    up = hone_params_find(p, "layers.1.attn.up");
    head = hone_params_find(p, "lm_head");
    ck_assert(q && up && head);
    ck_assert_str_eq(hone_param_role(q), "q");
    ck_assert_int_eq(hone_param_layer(q), 2);
    ck_assert_int_eq(hone_param_layer(head), -1);
    ck_assert_int_eq(hone_tensor_extent(hone_param_weight(q), 0), 6);
    ck_assert_int_eq(hone_tensor_extent(hone_param_weight(up), 0), 4);
    ck_assert(hone_param_is_transposed(up));
    ck_assert_int_eq(hone_tensor_count(hone_param_bias(up)), 6);
    ck_assert_int_eq(hone_tensor_dims(hone_param_weight(hone_params_find(p, "layers.0.ln"))), 1);
    ck_assert_int_eq(hone_tensor_count(hone_param_bias(hone_params_find(p, "layers.0.ln"))), 4);
    ck_assert_ptr_null(hone_params_find(p, "layers.2.attn"));
    ck_assert_ptr_null(hone_params_at(p, 11));
}
END_TEST

START_TEST(a_tied_parameter_shares_the_weight)
{
    hone_params *p;
    hone_param *head, *embedding;

    ck_ok(make(name_all));
    p = hone_model_params(model);
    head = hone_params_find(p, "lm_head");
    embedding = hone_params_find(p, "wte");
    ck_assert_ptr_eq(hone_param_tied_to(head), embedding);
    ck_assert_ptr_eq(hone_param_weight(head), hone_param_weight(embedding));
    hone_param_set_trainable(head, true);
    ck_assert(hone_param_trainable(embedding));
    ck_assert_uint_eq(hone_model_trainables(model), 1);
    ck_assert_str_eq(hone_model_trainable(model, 0).name, "wte.weight");
}
END_TEST

static void name_twice(hone_params *p)
{
    ends(p);
    hone_param_new(p, "norm", "wte", 1, 4, false);
    hone_param_new(p, "norm", "later", 1, 4, false);
}

static void name_empty(hone_params *p)
{
    ends(p);
    hone_param_new(p, "q", "q", 0, 4, false);
}

static void name_huge(hone_params *p)
{
    ends(p);
    hone_param_new(p, "q", "q", INT64_MAX / 2, INT64_MAX / 2, false);
}

static void name_without_leaving(hone_params *p)
{
    ends(p);
    hone_params_enter(p, 0, "layers.0");
}

static void name_leaving_too_often(hone_params *p)
{
    ends(p);
    hone_params_leave(p);
}

static void name_too_deep(hone_params *p)
{
    ends(p);
    for (int i = 0; i < 9; i++)
        hone_params_enter(p, 0, "x");
}

static void name_no_head(hone_params *p)
{
    hone_param_new(p, "embedding", "wte", 5, 4, false);
}

static void name_nothing(hone_params *p)
{
    (void)p;
}

static void name_array(hone_params *p)
{
    ends(p);
    hone_params_array(p, -1, 8);
}

static const struct {
    const char *golden;
    void (*names)(hone_params *p);
} mistakes[] = {
    { "twice", name_twice }, { "empty", name_empty }, { "huge", name_huge },
    { "enter", name_without_leaving }, { "leave", name_leaving_too_often },
    { "deep", name_too_deep }, { "head", name_no_head }, { "nothing", name_nothing },
    { "array", name_array },
};

START_TEST(a_mistake_in_build_is_told)
{
    char golden[64] = "params-";

    ck_fails(HONE_EINVAL, make(mistakes[_i].names));
    ck_assert_ptr_null(model);
    support_golden(strcat(golden, mistakes[_i].golden), err.message);
}
END_TEST

START_TEST(short_memory_is_an_error_and_leaks_nothing)
{
    hone_json *json = NULL;
    int64_t live;

    ck_ok(make(name_all)); /* what the context keeps is allocated now */
    hone_model_free(model);
    model = NULL;
    ck_ok(hone_json_parse(&json, "{\"model_type\":\"fake\"}", 21, "config", &err));
    live = hone_alloc_live();
    for (uint64_t n = 1;; n++) {
        int code;

        hone_alloc_fail_after(n);
        err = (hone_error){0};
        code = hone_model_new(&model, context, json, NULL, 1, &err);
        hone_alloc_fail_after(0);
        if (code == HONE_OK)
            break;
        ck_assert_int_eq(hone_alloc_live(), live);
        ck_assert_uint_lt(n, 10000);
    }
    hone_json_free(json);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *tc = tcase_create("params");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, names_shapes_and_layers_are_what_build_said);
    tcase_add_test(tc, a_tied_parameter_shares_the_weight);
    tcase_add_loop_test(tc, a_mistake_in_build_is_told, 0,
                        (int)(sizeof mistakes / sizeof *mistakes));
    tcase_add_test(tc, short_memory_is_an_error_and_leaks_nothing);
    suite_add_tcase(suite, tc);
    return support_run(suite);
}

/* full.c -- every parameter trains, or those named. */
#include <hone/strategy.h>

struct full {
    hone_string_list targets;
};

static int full_attach(void *self, hone_model *model, hone_error *err)
{
    struct full *s = self;
    hone_params *params = hone_model_params(model);

    if (s->targets.count && hone_targets_check(&s->targets, model, err) != HONE_OK)
        return HONE_EINVAL;
    for (size_t i = 0; i < hone_params_count(params); i++) {
        hone_param *param = hone_params_at(params, i);

        if (s->targets.count && !hone_targets_match(&s->targets, param))
            continue;
        hone_param_set_trainable(param, true);
        if (!hone_param_trainable(param))
            return hone_fail_memory(err, hone_param_name(param));
    }
    return HONE_OK;
}

static const hone_option options[] = {
    HONE_OPT_STRINGS(struct full, targets, "targets", "[]",
                     "roles, names or patterns of what trains; none: everything"),
    HONE_OPT_END
};

static const hone_strategy_ops ops = { .size = sizeof ops, .attach = full_attach };

HONE_PLUGIN(full,
    .kind = "strategy", .version = "1.0", .threadsafe = true, .summary = "all weights train",
    .source = "none: plain fine-tuning", .instance_size = sizeof(struct full), .options = options,
    .ops = &ops);

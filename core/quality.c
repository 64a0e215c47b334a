/* quality.c -- calling quality plugins (see <hone/quality.h>). */
#include <hone/quality.h>

#include <string.h>

static int quality_ready(const hone_plugin *plugin, bool able, const char *what,
                         const hone_judgements *judgements, hone_error *err)
{
    if (strcmp(plugin->kind, "quality") != 0 || !able)
        return hone_fail(err, HONE_EUNSUPPORTED, "%s/%s does not %s judgements", plugin->kind,
                         plugin->name, what);
    if (!hone_judgements_count(judgements))
        return hone_fail(err, HONE_EINVAL, "quality/%s: there are no judgements", plugin->name);
    return HONE_OK;
}

int hone_quality_check(hone_instance *quality, const hone_judgements *judgements,
                       hone_json **result, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(quality);
    const hone_quality_ops *ops = plugin->ops;
    int (*check)(void *, const hone_judgements *, hone_json **, hone_error *) =
        HONE_OP(ops, hone_quality_ops, check);
    int code = quality_ready(plugin, check != NULL, "check", judgements, err);

    *result = NULL;
    if (code)
        return code;
    code = check(hone_instance_self(quality), judgements, result, err);
    if (!code && strcmp(hone_json_type(*result), "object") != 0)
        code = hone_fail(err, HONE_ESTATE, "the result is %s, not an object",
                         hone_json_type(*result));
    if (code) {
        hone_json_free(*result);
        *result = NULL;
        hone_fail_in(err, "quality/%s", plugin->name);
    }
    return code;
}

int hone_quality_aggregate(hone_instance *quality, const hone_judgements *judgements,
                           hone_consensus **out, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(quality);
    const hone_quality_ops *ops = plugin->ops;
    int (*aggregate)(void *, const hone_judgements *, hone_consensus *, hone_error *) =
        HONE_OP(ops, hone_quality_ops, aggregate);
    int code = quality_ready(plugin, aggregate != NULL, "aggregate", judgements, err);

    *out = NULL;
    if (code || (code = hone_consensus_new(out, judgements, err)))
        return code;
    code = aggregate(hone_instance_self(quality), judgements, *out, err);
    if (code) {
        hone_consensus_free(*out);
        *out = NULL;
        hone_fail_in(err, "quality/%s", plugin->name);
    }
    return code;
}

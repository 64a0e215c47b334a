/* quality.c -- calling quality plugins (see <hone/quality.h>). */
#include <hone/quality.h>

#include <string.h>

typedef int quality_op(void *self, const hone_judgements *judgements, hone_json **result,
                       hone_error *err);

static int quality_call(hone_instance *quality, quality_op *op, const char *what,
                        const hone_judgements *judgements, hone_json **result, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(quality);
    int code;

    *result = NULL;
    if (strcmp(plugin->kind, "quality") != 0 || !op)
        return hone_fail(err, HONE_EUNSUPPORTED, "%s/%s does not %s judgements", plugin->kind,
                         plugin->name, what);
    if (!hone_judgements_count(judgements))
        return hone_fail(err, HONE_EINVAL, "quality/%s: there are no judgements", plugin->name);
    code = op(hone_instance_self(quality), judgements, result, err);
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

int hone_quality_check(hone_instance *quality, const hone_judgements *judgements,
                       hone_json **result, hone_error *err)
{
    const hone_quality_ops *ops = hone_instance_plugin(quality)->ops;
    return quality_call(quality, HONE_OP(ops, hone_quality_ops, check), "check", judgements,
                        result, err);
}

int hone_quality_aggregate(hone_instance *quality, const hone_judgements *judgements,
                           hone_json **result, hone_error *err)
{
    const hone_quality_ops *ops = hone_instance_plugin(quality)->ops;
    return quality_call(quality, HONE_OP(ops, hone_quality_ops, aggregate), "aggregate",
                        judgements, result, err);
}

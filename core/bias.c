/* bias.c -- calling bias plugins (see <hone/bias.h>). */
#include <hone/bias.h>

#include <string.h>

static int bias_begin(const hone_plugin *plugin, bool able, const char *what,
                      const hone_judgements *judgements, hone_error *err)
{
    if (strcmp(plugin->kind, "bias") != 0 || !able)
        return hone_fail(err, HONE_EUNSUPPORTED, "%s/%s does not %s bias", plugin->kind,
                         plugin->name, what);
    if (!hone_judgements_count(judgements))
        return hone_fail(err, HONE_EINVAL, "bias/%s: there are no judgements", plugin->name);
    return HONE_OK;
}

static int bias_end(const hone_plugin *plugin, int code, hone_json **result, hone_error *err)
{
    if (!code && strcmp(hone_json_type(*result), "object") != 0)
        code = hone_fail(err, HONE_ESTATE, "the result is %s, not an object",
                         hone_json_type(*result));
    if (code) {
        hone_json_free(*result);
        *result = NULL;
        hone_fail_in(err, "bias/%s", plugin->name);
    }
    return code;
}

int hone_bias_detect(hone_instance *bias, const hone_judgements *judgements,
                     hone_json **findings, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(bias);
    const hone_bias_ops *ops = plugin->ops;
    int code;

    *findings = NULL;
    code = bias_begin(plugin, HONE_OP(ops, hone_bias_ops, detect), "detect", judgements, err);
    if (code)
        return code;
    code = ops->detect(hone_instance_self(bias), judgements, findings, err);
    return bias_end(plugin, code, findings, err);
}

int hone_bias_mitigate(hone_instance *bias, const hone_judgements *judgements,
                       const hone_json *findings, hone_json **result, hone_error *err)
{
    const hone_plugin *plugin = hone_instance_plugin(bias);
    const hone_bias_ops *ops = plugin->ops;
    int code;

    *result = NULL;
    code = bias_begin(plugin, HONE_OP(ops, hone_bias_ops, mitigate), "mitigate", judgements, err);
    if (code)
        return code;
    code = ops->mitigate(hone_instance_self(bias), judgements, findings, result, err);
    return bias_end(plugin, code, result, err);
}

/* targets.c -- which parameters a list of targets means (see <hone/strategy.h>). */
#include "model.h"
#include "param.h"

#include <fnmatch.h>
#include <string.h>

/* A name's last parts: "c_proj" and "attn.c_proj" end "h.0.attn.c_proj". */
static bool targets_ends(const char *name, const char *target)
{
    size_t n = strlen(name), m = strlen(target);

    return m <= n && strcmp(name + n - m, target) == 0 && (m == n || name[n - m - 1] == '.');
}

/* Matrices of the layers. */
static bool targets_is_linear(const hone_param *param)
{
    static const char *const others[] = { "embedding", "position", "norm", "head" };

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(param->role, others[i]) == 0)
            return false;
    return param->layer >= 0 && param->out > 1;
}

/* Heads that were added train as they are, whatever the targets. */
static bool targets_one(const char *target, const hone_param *param)
{
    if (param->is_head)
        return false;
    if (strcmp(target, "all-linear") == 0)
        return targets_is_linear(param);
    return strcmp(target, param->role) == 0 || targets_ends(param->name, target) ||
           (strpbrk(target, "*?[") && fnmatch(target, param->name, 0) == 0);
}

bool hone_targets_match(const hone_string_list *targets, const hone_param *param)
{
    for (size_t i = 0; i < targets->count; i++)
        if (targets_one(targets->items[i], param))
            return true;
    return false;
}

/* "embedding, norm, q, ..." in order of naming, cut off where buf ends. */
static const char *targets_roles(const hone_params *params, char *buf, size_t n)
{
    size_t at = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < params->count; i++) {
        const char *role = params->items[i]->role;
        size_t before = 0, length = strlen(role);

        while (strcmp(params->items[before]->role, role) != 0)
            before++;
        if (before < i || at + length + 3 > n)
            continue;
        if (at) {
            memcpy(buf + at, ", ", 2);
            at += 2;
        }
        memcpy(buf + at, role, length + 1);
        at += length;
    }
    return buf;
}

int hone_targets_check(const hone_string_list *targets, const hone_model *model, hone_error *err)
{
    const hone_params *params = model->params;
    char roles[400];

    if (targets->count == 0)
        return hone_fail(err, HONE_EINVAL, "no targets (roles: %s)",
                         targets_roles(params, roles, sizeof roles));
    for (size_t t = 0; t < targets->count; t++) {
        size_t i = 0;

        while (i < params->count && !targets_one(targets->items[t], params->items[i]))
            i++;
        if (i == params->count)
            return hone_fail(err, HONE_EINVAL, "target '%.80s' meets no parameter (roles: %s)",
                             targets->items[t], targets_roles(params, roles, sizeof roles));
    }
    return HONE_OK;
}

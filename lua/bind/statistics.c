/* statistics.c -- estimates that a team reports, and what to ask next: lists of
 * numbers to <hone/inference.h> and <hone/select.h>. */
#include "bind.h"

#include <math.h>
#include <string.h>

/* ---- lists ---- */

/* Numbers of the list at index, in a buffer that is pushed. */
static double *list_numbers(lua_State *L, int index, const char *what, size_t *count)
{
    double *numbers;

    index = lua_absindex(L, index);
    if (!lua_istable(L, index))
        bind_fail(L, "%s: a list of numbers is needed, not a %s", what, luaL_typename(L, index));
    *count = bind_count(L, index);
    numbers = bind_buffer(L, *count, sizeof *numbers);
    for (size_t i = 0; i < *count; i++) {
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TNUMBER)
            bind_fail(L, "%s: number %zu is a %s", what, i + 1, luaL_typename(L, -1));
        numbers[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    return numbers;
}

/* The same of a field of the table at 1; NULL where it is absent. */
static double *field_numbers(lua_State *L, const char *key, size_t *count)
{
    if (lua_getfield(L, 1, key) == LUA_TNIL) {
        *count = 0;
        return NULL;
    }
    return list_numbers(L, -1, key, count);
}

/* As many numbers as another list has. */
static double *field_as_many(lua_State *L, const char *key, size_t count, const char *as)
{
    size_t seen;
    double *numbers = field_numbers(L, key, &seen);

    if (!numbers || seen != count)
        bind_fail(L, "%s has %zu numbers and %s %zu; as many are needed", key, seen, as, count);
    return numbers;
}

/* Rows of numbers, all as long: [rows, width]. */
static double *list_rows(lua_State *L, int index, const char *what, size_t *rows, size_t *width)
{
    double *numbers;

    index = lua_absindex(L, index);
    if (!lua_istable(L, index))
        bind_fail(L, "%s: a list of rows is needed, not a %s", what, luaL_typename(L, index));
    *rows = bind_count(L, index);
    *width = 0;
    if (*rows && lua_rawgeti(L, index, 1) == LUA_TTABLE)
        *width = bind_count(L, -1);
    numbers = bind_buffer(L, *rows * *width, sizeof *numbers);
    for (size_t r = 0; r < *rows; r++) {
        if (lua_rawgeti(L, index, (lua_Integer)r + 1) != LUA_TTABLE)
            bind_fail(L, "%s: row %zu is a %s, not a list", what, r + 1, luaL_typename(L, -1));
        if (bind_count(L, -1) != *width)
            bind_fail(L, "%s: row %zu has %zu numbers, the first %zu", what, r + 1,
                      bind_count(L, -1), *width);
        for (size_t i = 0; i < *width; i++) {
            if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TNUMBER)
                bind_fail(L, "%s: number %zu of row %zu is a %s", what, i + 1, r + 1,
                          luaL_typename(L, -1));
            numbers[r * *width + i] = lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return numbers;
}

static void push_numbers(lua_State *L, const double *numbers, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushnumber(L, numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* Places from 1. */
static void push_places(lua_State *L, const int64_t *places, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, places[i] + 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_estimate(lua_State *L, const hone_estimate *e)
{
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, e->value);
    lua_setfield(L, -2, "value");
    lua_pushnumber(L, e->se);
    lua_setfield(L, -2, "se");
    lua_createtable(L, 2, 0);
    lua_pushnumber(L, e->low);
    lua_rawseti(L, -2, 1);
    lua_pushnumber(L, e->high);
    lua_rawseti(L, -2, 2);
    lua_setfield(L, -2, "interval");
}

/* ---- estimates ---- */

/* core.ppi { people = , judge = , others = , [x = rows, others_x = rows,] [lambda = ,]
 * confidence = }: estimates, those of people alone, lambda. */
static int statistics_ppi(lua_State *L)
{
    hone_ppi d = { .terms = 1 };
    hone_estimate *out;
    hone_error err = { 0 };
    size_t rows, width;
    double tuned;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    d.y = field_numbers(L, "people", &d.rows);
    d.f = field_as_many(L, "judge", d.rows, "people");
    d.others_f = field_numbers(L, "others", &d.others);
    if (lua_getfield(L, 1, "x") != LUA_TNIL) {
        d.x = list_rows(L, -1, "x", &rows, &d.terms);
        lua_getfield(L, 1, "others_x");
        d.others_x = list_rows(L, -1, "others_x", &rows, &width);
        if (rows != d.others || width != d.terms)
            bind_fail(L, "others_x has %zu rows of %zu; %zu of %zu are needed", rows, width,
                      d.others, d.terms);
        if (lua_getfield(L, 1, "x"), bind_count(L, -1) != d.rows)
            bind_fail(L, "x has %zu rows and people %zu numbers", bind_count(L, -1),
                      d.rows);
    }
    d.lambda = bind_field_number(L, 1, "lambda", NAN);
    d.confidence = bind_field_number(L, 1, "confidence", 0.95);
    out = bind_buffer(L, 2 * d.terms, sizeof *out);
    bind_ok(L, hone_ppi_estimate(out, out + d.terms, &tuned, &d, &err), &err);
    for (int which = 0; which < 2; which++) {
        lua_createtable(L, (int)d.terms, 0);
        for (size_t i = 0; i < d.terms; i++) {
            push_estimate(L, &out[(size_t)which * d.terms + i]);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    }
    lua_pushnumber(L, tuned);
    return 3;
}

/* core.win_rate { score = , difference = , [cluster = numbers from 1,] confidence = }. */
static int statistics_win_rate(lua_State *L)
{
    hone_win_rate rate;
    hone_error err = { 0 };
    size_t rows, clusters = 0;
    const double *score, *difference, *numbers;
    int32_t *cluster = NULL;

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    score = field_numbers(L, "score", &rows);
    difference = field_as_many(L, "difference", rows, "score");
    numbers = field_numbers(L, "cluster", &clusters);
    if (numbers) {
        numbers = field_as_many(L, "cluster", rows, "score");
        cluster = bind_buffer(L, rows, sizeof *cluster);
        for (size_t r = clusters = 0; r < rows; r++) {
            if (!(numbers[r] >= 1 && numbers[r] <= (double)rows))
                bind_fail(L, "cluster %zu is %g; clusters count from 1", r + 1, numbers[r]);
            cluster[r] = (int32_t)numbers[r] - 1;
            clusters = (size_t)cluster[r] + 1 > clusters ? (size_t)cluster[r] + 1 : clusters;
        }
    }
    bind_ok(L, hone_win_rate_estimate(&rate, score, difference, cluster, clusters, rows,
                                      bind_field_number(L, 1, "confidence", 0.95), &err), &err);
    lua_createtable(L, 0, 4);
    push_estimate(L, &rate.raw);
    lua_setfield(L, -2, "raw");
    push_estimate(L, &rate.controlled);
    lua_setfield(L, -2, "controlled");
    push_estimate(L, &rate.length);
    lua_setfield(L, -2, "length");
    lua_pushnumber(L, rate.p);
    lua_setfield(L, -2, "p");
    return 1;
}

/* core.power("items" | "chance" | "effect", design): of design.win_rate, .items. */
static int statistics_power(lua_State *L)
{
    const char *what = luaL_checkstring(L, 1);
    double rate, out = 0;
    bool possible = true;
    hone_power d;
    hone_error err = { 0 };
    int64_t items;

    luaL_checktype(L, 2, LUA_TTABLE);
    d = (hone_power){ bind_field_number(L, 2, "agreement", 1), bind_field_number(L, 2, "ties", 0),
                      bind_field_number(L, 2, "alpha", 0.05), bind_field_number(L, 2, "power", 0.8),
                      bind_field_int(L, 2, "per_item", 1) };
    rate = bind_field_number(L, 2, "win_rate", 0.5);
    items = bind_field_int(L, 2, "items", 0);
    if (strcmp(what, "items") == 0) {
        bind_ok(L, hone_power_items(&items, &d, rate, &err), &err);
        lua_pushinteger(L, items);
        return 1;
    }
    if (strcmp(what, "chance") == 0)
        bind_ok(L, hone_power_chance(&out, &d, items, rate, &err), &err);
    else
        bind_ok(L, hone_power_effect(&out, &possible, &d, items, &err), &err);
    if (possible)
        lua_pushnumber(L, out);
    else
        lua_pushnil(L);
    return 1;
}

/* core.sprt(p0, p1, alpha, beta): hit, miss, upper, lower. */
static int statistics_sprt(lua_State *L)
{
    hone_error err = { 0 };
    hone_sprt t;

    bind_ok(L, hone_sprt_new(&t, luaL_checknumber(L, 1), luaL_checknumber(L, 2),
                             luaL_checknumber(L, 3), luaL_checknumber(L, 4), &err), &err);
    lua_pushnumber(L, t.hit);
    lua_pushnumber(L, t.miss);
    lua_pushnumber(L, t.upper);
    lua_pushnumber(L, t.lower);
    return 4;
}

/* core.posterior_better(wins, losses, a, b). */
static int statistics_better(lua_State *L)
{
    hone_error err = { 0 };
    double out;

    bind_ok(L, hone_posterior_better(&out, luaL_checknumber(L, 1), luaL_checknumber(L, 2),
                                     luaL_checknumber(L, 3), luaL_checknumber(L, 4), &err), &err);
    lua_pushnumber(L, out);
    return 1;
}

/* core.evalue(k, n, p). */
static int statistics_evalue(lua_State *L)
{
    hone_error err = { 0 };
    double out;

    bind_ok(L, hone_binomial_evalue(&out, luaL_checkinteger(L, 1), luaL_checkinteger(L, 2),
                                    luaL_checknumber(L, 3), &err), &err);
    lua_pushnumber(L, out);
    return 1;
}

/* ---- what to ask next ---- */

/* core.select_entropy(rows), core.select_margin(rows). */
static int select_rows(lua_State *L, int (*score)(double *, const double *, size_t, size_t,
                                                  hone_error *))
{
    size_t rows, width;
    const double *p = list_rows(L, 1, "probabilities", &rows, &width);
    double *scores = bind_buffer(L, rows, sizeof *scores);
    hone_error err = { 0 };

    bind_ok(L, score(scores, p, rows, width, &err), &err);
    push_numbers(L, scores, rows);
    return 1;
}

static int select_entropy(lua_State *L)
{
    return select_rows(L, hone_select_entropy);
}

static int select_margin(lua_State *L)
{
    return select_rows(L, hone_select_margin);
}

/* core.select_committee(members): a list of lists of rows. */
static int select_committee(lua_State *L)
{
    size_t members, rows = 0, width = 0, r, w;
    double *all = NULL, *scores;
    hone_error err = { 0 };

    luaL_checktype(L, 1, LUA_TTABLE);
    members = bind_count(L, 1);
    for (size_t m = 0; m < members; m++) {
        int top = lua_gettop(L);
        const double *p;
        lua_rawgeti(L, 1, (lua_Integer)m + 1);
        p = list_rows(L, -1, "committee", &r, &w);
        if (!m) {
            rows = r;
            width = w;
            all = bind_buffer(L, members * rows * width, sizeof *all);
            lua_replace(L, top + 1); /* it stays, the rest goes */
            top++;
        }
        if (r != rows || w != width)
            bind_fail(L, "committee: member %zu has %zu rows of %zu, the first %zu of %zu", m + 1,
                      r, w, rows, width);
        memcpy(all + m * rows * width, p, rows * width * sizeof *all);
        lua_settop(L, top);
    }
    scores = bind_buffer(L, rows, sizeof *scores);
    bind_ok(L, hone_select_committee(scores, all, members, rows, width, &err), &err);
    push_numbers(L, scores, rows);
    return 1;
}

/* core.select_comparison(means, deviations). */
static int select_comparison(lua_State *L)
{
    size_t rows, others;
    const double *mean = list_numbers(L, 1, "means", &rows);
    const double *sd = list_numbers(L, 2, "deviations", &others);
    double *scores;
    hone_error err = { 0 };

    if (others != rows)
        bind_fail(L, "%zu means and %zu deviations", rows, others);
    scores = bind_buffer(L, rows, sizeof *scores);
    bind_ok(L, hone_select_comparison(scores, mean, sd, rows, &err), &err);
    push_numbers(L, scores, rows);
    return 1;
}

/* core.select_answer(rows, confusion). */
static int select_answer(lua_State *L)
{
    size_t rows, labels, square, width;
    const double *truth = list_rows(L, 1, "probabilities", &rows, &labels);
    const double *confusion = list_rows(L, 2, "confusion", &square, &width);
    double *scores;
    hone_error err = { 0 };

    if (square != labels || width != labels)
        bind_fail(L, "confusion is %zu by %zu; there are %zu labels", square, width, labels);
    scores = bind_buffer(L, rows, sizeof *scores);
    bind_ok(L, hone_select_answer(scores, truth, confusion, rows, labels, &err), &err);
    push_numbers(L, scores, rows);
    return 1;
}

/* Embeddings: a tensor [rows, width], or rows of numbers. */
static const float *select_vectors(lua_State *L, int arg, size_t *rows, size_t *width)
{
    hone_tensor *t = bind_tensor_test(L, arg);
    const double *numbers = NULL;
    float *x;

    if (t && hone_tensor_dims(t) != 2)
        bind_fail(L, "embeddings have %d dimensions; [rows, width] is needed", hone_tensor_dims(t));
    if (t) {
        *rows = (size_t)hone_tensor_extent(t, 0);
        *width = (size_t)hone_tensor_extent(t, 1);
    } else {
        numbers = list_rows(L, arg, "embeddings", rows, width);
    }
    x = bind_buffer(L, *rows * *width, sizeof *x);
    for (size_t i = 0; i < *rows * *width; i++)
        x[i] = (float)(t ? hone_tensor_get(t, (int64_t)i) : numbers[i]);
    return x;
}

/* core.select_centres(embeddings, count, [near]): places, distances. */
static int select_centres(lua_State *L)
{
    size_t rows, width, many;
    lua_Integer count = luaL_checkinteger(L, 2);
    const double *near;
    const float *x;
    int64_t *chosen;
    double *reach;
    hone_error err = { 0 };

    lua_settop(L, 3);
    x = select_vectors(L, 1, &rows, &width);
    near = lua_isnil(L, 3) ? NULL : list_numbers(L, 3, "near", &many);
    if (count < 0 || (near && many != rows))
        bind_fail(L, "%lld of %zu rows, %zu distances", count, rows, near ? many : rows);
    chosen = bind_buffer(L, (size_t)count, sizeof *chosen);
    reach = bind_buffer(L, (size_t)count, sizeof *reach);
    bind_ok(L, hone_select_centres(chosen, reach, x, near, rows, width, (size_t)count, &err), &err);
    push_places(L, chosen, (size_t)count);
    push_numbers(L, reach, (size_t)count);
    return 2;
}

/* core.select_budget(scores, costs, budget): places. */
static int select_budget(lua_State *L)
{
    size_t rows, others, count;
    double budget = luaL_checknumber(L, 3);
    const double *scores = list_numbers(L, 1, "scores", &rows);
    const double *costs = list_numbers(L, 2, "costs", &others);
    int64_t *chosen;
    hone_error err = { 0 };

    if (others != rows)
        bind_fail(L, "%zu scores and %zu costs", rows, others);
    chosen = bind_buffer(L, rows, sizeof *chosen);
    bind_ok(L, hone_select_budget(chosen, &count, scores, costs, rows, budget, &err), &err);
    push_places(L, chosen, count);
    return 1;
}

/* core.select_assign { truth = rows, skill = , capacity = , [cost = ,] [done = { { item,
 * annotator }, ... },] per_item = , limit = }: items, annotators, gains. */
static int select_assign(lua_State *L)
{
    hone_assignment w = { 0 };
    int64_t *item, *annotator, *capacity;
    double *gains, *numbers;
    size_t count, pairs, width;
    bool *done;
    hone_error err = { 0 };

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "truth");
    w.truth = list_rows(L, -1, "truth", &w.items, &w.labels);
    w.skill = field_numbers(L, "skill", &w.annotators);
    numbers = field_as_many(L, "capacity", w.annotators, "skill");
    capacity = bind_buffer(L, w.annotators, sizeof *capacity);
    for (size_t a = 0; a < w.annotators; a++)
        capacity[a] = numbers[a] >= 0 && numbers[a] < 1e15 ? (int64_t)numbers[a] : -1;
    w.capacity = capacity;
    if (lua_getfield(L, 1, "cost") != LUA_TNIL)
        w.cost = field_as_many(L, "cost", w.annotators, "skill");
    if (lua_getfield(L, 1, "done") != LUA_TNIL) {
        numbers = list_rows(L, -1, "done", &pairs, &width);
        done = bind_buffer(L, w.items * w.annotators, sizeof *done);
        for (size_t i = 0; i < pairs; i++) {
            if (width != 2 || !(numbers[2 * i] >= 1 && numbers[2 * i] <= (double)w.items) ||
                !(numbers[2 * i + 1] >= 1 && numbers[2 * i + 1] <= (double)w.annotators))
                bind_fail(L, "done: row %zu is no { item, annotator }", i + 1);
            done[((size_t)numbers[2 * i] - 1) * w.annotators + (size_t)numbers[2 * i + 1] - 1] =
                true;
        }
        w.done = done;
    }
    w.per_item = bind_field_int(L, 1, "per_item", 1);
    w.limit = (size_t)bind_field_int(L, 1, "limit", (int64_t)w.items);
    if (w.limit > INT32_MAX)
        bind_fail(L, "limit is out of range (allowed: 0 to %d)", INT32_MAX);
    item = bind_buffer(L, w.limit, sizeof *item);
    annotator = bind_buffer(L, w.limit, sizeof *annotator);
    gains = bind_buffer(L, w.limit, sizeof *gains);
    bind_ok(L, hone_select_assign(item, annotator, gains, &count, &w, &err), &err);
    push_places(L, item, count);
    push_places(L, annotator, count);
    push_numbers(L, gains, count);
    return 3;
}

/* core.select_recruit(sizes, deviations, members): gains. */
static int select_recruit(lua_State *L)
{
    size_t groups, others, more;
    const double *size = list_numbers(L, 1, "sizes", &groups);
    const double *sd = list_numbers(L, 2, "deviations", &others);
    const double *numbers = list_numbers(L, 3, "members", &more);
    int64_t *members = bind_buffer(L, groups, sizeof *members);
    double *gains = bind_buffer(L, groups, sizeof *gains);
    hone_error err = { 0 };

    if (others != groups || more != groups)
        bind_fail(L, "%zu sizes, %zu deviations and %zu members", groups, others, more);
    for (size_t g = 0; g < groups; g++)
        members[g] = numbers[g] >= 0 && numbers[g] < 1e15 ? (int64_t)numbers[g] : -1;
    bind_ok(L, hone_select_recruit(gains, size, sd, members, groups, &err), &err);
    push_numbers(L, gains, groups);
    return 1;
}

void bind_open_statistics(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "ppi", statistics_ppi }, { "win_rate", statistics_win_rate },
        { "power", statistics_power }, { "sprt", statistics_sprt },
        { "posterior_better", statistics_better }, { "evalue", statistics_evalue },
        { "select_entropy", select_entropy }, { "select_margin", select_margin },
        { "select_committee", select_committee }, { "select_comparison", select_comparison },
        { "select_answer", select_answer }, { "select_centres", select_centres },
        { "select_budget", select_budget }, { "select_assign", select_assign },
        { "select_recruit", select_recruit }, { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
}

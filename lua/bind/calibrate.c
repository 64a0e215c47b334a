/* calibrate.c -- fits of scores to judgements: lists to <hone/calibrate.h>. */
#include "score.h"

#include <hone/calibrate.h>

/* Numbers of the list at index, in a buffer that is pushed; as many as *count where
 * that is not 0. */
static double *calibrate_numbers(lua_State *L, int index, size_t *count)
{
    double *numbers;
    size_t n;

    luaL_checktype(L, index, LUA_TTABLE);
    n = bind_count(L, index);
    if (*count && n != *count)
        bind_fail(L, "calibration: %zu numbers where %zu are needed", n, *count);
    *count = n;
    numbers = bind_buffer(L, n, sizeof *numbers);
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TNUMBER)
            bind_fail(L, "calibration: number %zu is a %s", i + 1, luaL_typename(L, -1));
        numbers[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    return numbers;
}

static void calibrate_push(lua_State *L, const double *numbers, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushnumber(L, numbers[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* core.isotonic(x, y, weight): from, to. */
static int calibrate_isotonic(lua_State *L)
{
    size_t n = 0, corners;
    hone_error err = { 0 };
    const double *x = calibrate_numbers(L, 1, &n), *y = calibrate_numbers(L, 2, &n);
    const double *weight = calibrate_numbers(L, 3, &n);
    double *from = bind_buffer(L, n, sizeof *from), *to = bind_buffer(L, n, sizeof *to);

    bind_ok(L, hone_isotonic_fit(from, to, &corners, x, y, weight, n, &err), &err);
    calibrate_push(L, from, corners);
    calibrate_push(L, to, corners);
    return 2;
}

/* core.platt(x, y, weight): constant, slope. */
static int calibrate_platt(lua_State *L)
{
    size_t n = 0;
    hone_error err = { 0 };
    const double *x = calibrate_numbers(L, 1, &n), *y = calibrate_numbers(L, 2, &n);
    const double *weight = calibrate_numbers(L, 3, &n);
    double constant, slope;

    bind_ok(L, hone_platt_fit(&constant, &slope, x, y, weight, n, &err), &err);
    lua_pushnumber(L, constant);
    lua_pushnumber(L, slope);
    return 2;
}

/* core.rank_correlation(x, y, confidence): { value, se, interval = { low, high } }. */
static int calibrate_rank(lua_State *L)
{
    size_t n = 0;
    hone_error err = { 0 };
    const double *x = calibrate_numbers(L, 1, &n), *y = calibrate_numbers(L, 2, &n);
    hone_estimate e;

    bind_ok(L, hone_rank_correlation(&e, x, y, n, luaL_checknumber(L, 3), &err), &err);
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, e.value);
    lua_setfield(L, -2, "value");
    lua_pushnumber(L, e.se);
    lua_setfield(L, -2, "se");
    calibrate_push(L, (double[]){ e.low, e.high }, 2);
    lua_setfield(L, -2, "interval");
    return 1;
}

void bind_open_calibrate(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "isotonic", calibrate_isotonic }, { "platt", calibrate_platt },
        { "rank_correlation", calibrate_rank }, { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
}

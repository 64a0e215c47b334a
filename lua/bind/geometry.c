/* geometry.c -- how much shapes overlap. */
#include "bind.h"

enum { GEOMETRY_POINTS = 10000 };

/* Numbers of the list at arg, into fixed room. */
static size_t geometry_numbers(lua_State *L, int arg, double *numbers, size_t most)
{
    size_t n;

    luaL_checktype(L, arg, LUA_TTABLE);
    n = bind_count(L, arg);
    if (n > most)
        bind_fail(L, "a region of %zu numbers (allowed: 2 or 4)", n);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, arg, (lua_Integer)i + 1);
        numbers[i] = luaL_checknumber(L, -1);
        lua_pop(L, 1);
    }
    return n;
}

/* core.region_iou({ start, end }, { start, end }), or of { x, y, width, height }. */
static int geometry_region(lua_State *L)
{
    double a[4] = { 0 }, b[4] = { 0 };
    size_t n = geometry_numbers(L, 1, a, 4), m = geometry_numbers(L, 2, b, 4);

    if (n != m || (n != 2 && n != 4))
        bind_fail(L, "regions of %zu and %zu numbers (allowed: 2 and 2, 4 and 4)", n, m);
    lua_pushnumber(L, hone_region_iou(a, b, n));
    return 1;
}

/* Points { { x, y }, ... } as x, y, x, y ... in a box on the stack. */
static double *geometry_points(lua_State *L, int arg, size_t *count)
{
    double *points;

    luaL_checktype(L, arg, LUA_TTABLE);
    *count = bind_count(L, arg);
    if (*count > GEOMETRY_POINTS)
        bind_fail(L, "a polygon of %zu points (allowed: %d)", *count, GEOMETRY_POINTS);
    points = bind_buffer(L, 2 * *count, sizeof *points);
    for (size_t i = 0; i < *count; i++) {
        if (lua_rawgeti(L, arg, (lua_Integer)i + 1) != LUA_TTABLE)
            bind_fail(L, "point %zu is a %s, not { x, y }", i + 1, luaL_typename(L, -1));
        for (int k = 0; k < 2; k++) {
            lua_rawgeti(L, -1, k + 1);
            if (lua_type(L, -1) != LUA_TNUMBER)
                bind_fail(L, "point %zu: a coordinate is a %s, not a number", i + 1,
                          luaL_typename(L, -1));
            points[2 * i + (size_t)k] = lua_tonumber(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    return points;
}

/* core.polygon_iou(points, points). */
static int geometry_polygon(lua_State *L)
{
    size_t n, m;
    const double *a = geometry_points(L, 1, &n), *b = geometry_points(L, 2, &m);

    lua_pushnumber(L, hone_polygon_iou(a, n, b, m));
    return 1;
}

/* core.polygon_crossing(points): two edges that cross, counted from 1; nil where none do. */
static int geometry_crossing(lua_State *L)
{
    size_t n, first, second;
    const double *points = geometry_points(L, 1, &n);

    if (!hone_polygon_crossing(points, n, &first, &second))
        return 0;
    lua_pushinteger(L, (lua_Integer)first + 1);
    lua_pushinteger(L, (lua_Integer)second + 1);
    return 2;
}

void bind_open_geometry(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "region_iou", geometry_region }, { "polygon_iou", geometry_polygon },
        { "polygon_crossing", geometry_crossing }, { NULL, NULL },
    };

    luaL_setfuncs(L, functions, 0);
}

/* context.c -- settings, threads, the log, and Ctrl-C. */
#include "bind.h"

#include <signal.h>
#include <string.h>

hone_context *bind_context(lua_State *L)
{
    bind_state *state = bind_get(L);
    hone_error err = { 0 };

    if (state->context)
        return state->context;
    bind_ok(L, hone_context_new(&state->context, state->config, &err), &err);
    if (state->threads)
        bind_ok(L, hone_context_set_threads(state->context, state->threads, &err), &err);
    bind_ok(L, bind_define_loader(state, &err), &err);
    return state->context;
}

/* core.configure { config = , threads = }: before anything needs the context. */
static int context_configure(lua_State *L)
{
    bind_state *state = bind_get(L);
    const char *config;
    int64_t threads;

    luaL_checktype(L, 1, LUA_TTABLE);
    config = bind_field_string(L, 1, "config", NULL);
    threads = bind_field_int(L, 1, "threads", 1);
    if (threads < 1 || threads > 4096)
        bind_fail(L, "threads: %" PRId64 " is out of range (allowed: 1 to 4096)", threads);
    if (lua_getfield(L, 1, "threads") == LUA_TNIL)
        threads = 0;
    if (config) {
        if (state->context)
            bind_fail(L, "settings cannot change any more: hone is in use");
        hone_free(state->config);
        state->config = hone_strdup(config);
        if (!state->config)
            bind_fail(L, "out of memory");
    }
    if (threads) {
        hone_error err = { 0 };
        state->threads = (int)threads;
        if (state->context)
            bind_ok(L, hone_context_set_threads(state->context, (int)threads, &err), &err);
    }
    return 0;
}

static int context_settings(lua_State *L)
{
    bind_push_json(L, hone_context_settings(bind_context(L)));
    return 1;
}

static int context_threads(lua_State *L)
{
    lua_pushinteger(L, hone_context_threads(bind_context(L)));
    return 1;
}

/* core.spent(): { products = , attention = , sampling = }, seconds so far. */
static int context_spent(lua_State *L)
{
    static const char *const names[HONE_WORK_COUNT] = { "products", "attention", "sampling" };

    lua_newtable(L);
    for (int i = 0; i < HONE_WORK_COUNT; i++) {
        lua_pushnumber(L, hone_context_spent(bind_context(L), (hone_work)i));
        lua_setfield(L, -2, names[i]);
    }
    return 1;
}

/* core.log(level, text). */
static int context_log(lua_State *L)
{
    static const char *const levels[] = { "debug", "info", "warn", "error", NULL };
    int level = luaL_checkoption(L, 1, NULL, levels);
    const char *text = luaL_checkstring(L, 2);

    hone_log(bind_context(L), (hone_log_level)level, "%s", text);
    return 0;
}

/* core.measure_machine(): the fields of hone_machine. */
static int context_measure(lua_State *L)
{
    hone_machine m;
    hone_error err = { 0 };

    bind_ok(L, hone_machine_measure(bind_context(L), &m, &err), &err);
    lua_newtable(L);
    lua_pushinteger(L, m.threads);
    lua_setfield(L, -2, "threads");
    lua_pushstring(L, m.kernels);
    lua_setfield(L, -2, "kernels");
    lua_pushstring(L, m.blas_core);
    lua_setfield(L, -2, "blas_core");
    lua_pushboolean(L, m.blas_narrow);
    lua_setfield(L, -2, "blas_narrow");
    lua_pushnumber(L, m.fma);
    lua_setfield(L, -2, "fma");
    lua_pushnumber(L, m.sustained);
    lua_setfield(L, -2, "sustained");
    lua_pushnumber(L, m.bf16);
    lua_setfield(L, -2, "bf16");
    lua_pushnumber(L, m.packed);
    lua_setfield(L, -2, "packed");
    lua_pushnumber(L, m.packed_bf16);
    lua_setfield(L, -2, "packed_bf16");
    lua_pushnumber(L, m.product);
    lua_setfield(L, -2, "product");
    lua_pushnumber(L, m.read);
    lua_setfield(L, -2, "read");
    return 1;
}

/* ---- Ctrl-C ----
 * A signal handler has no argument: this is the one variable that is not in
 * the state. The first signal asks the work under way to stop, a second does
 * what it always did. */
static hone_context *volatile context_to_stop;
static struct sigaction context_before[2];
static const int context_signals[2] = { SIGINT, SIGTERM };

static void context_on_signal(int signal)
{
    (void)signal;
    if (context_to_stop)
        hone_context_interrupt(context_to_stop);
}

/* core.catch(on): while on, SIGINT and SIGTERM set the interrupt flag. */
static int context_catch(lua_State *L)
{
    hone_context *context = bind_context(L);
    bool on = lua_toboolean(L, 1);

    if (on == (context_to_stop != NULL))
        return 0;
    if (on) {
        struct sigaction action = { .sa_handler = context_on_signal,
                                    .sa_flags = (int)SA_RESETHAND };
        sigemptyset(&action.sa_mask);
        context_to_stop = context;
        for (int i = 0; i < 2; i++)
            sigaction(context_signals[i], &action, &context_before[i]);
    } else {
        for (int i = 0; i < 2; i++)
            sigaction(context_signals[i], &context_before[i], NULL);
        context_to_stop = NULL;
    }
    return 0;
}

static int context_interrupted(lua_State *L)
{
    lua_pushboolean(L, hone_context_interrupted(bind_context(L)));
    return 1;
}

static int context_interrupt(lua_State *L)
{
    hone_context_interrupt(bind_context(L));
    return 0;
}

static int context_clear(lua_State *L)
{
    hone_context_clear_interrupt(bind_context(L));
    return 0;
}

/* core.hold_interrupt(on): while on, interrupts are seen later. */
static int context_hold(lua_State *L)
{
    hone_context_hold_interrupt(bind_context(L), lua_toboolean(L, 1));
    return 0;
}

void bind_open_context(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "configure", context_configure }, { "settings", context_settings },
        { "threads", context_threads }, { "log", context_log }, { "catch", context_catch },
        { "interrupt", context_interrupt }, { "interrupted", context_interrupted },
        { "clear_interrupt", context_clear }, { "hold_interrupt", context_hold },
        { "measure_machine", context_measure }, { "spent", context_spent }, { NULL, NULL },
    };
    luaL_setfuncs(L, functions, 0);
}

/* bind.h -- what the files of the binding share.
 *
 * One rule keeps Lua's errors, which are longjmps, harmless: whatever C owns
 * sits in a box, a full userdata on the Lua stack, before anything can raise.
 * A function makes the box, lets the library fill it, and returns or raises;
 * the collector frees what is left. So nothing here needs a clean-up path.
 *
 * Errors are strings that begin with the line of the script, which is the
 * first frame outside of hone's own Lua library. */
#ifndef BIND_H
#define BIND_H

#include <hone/hone.h>
#include <lauxlib.h>
#include <lua.h>

/* ---- boxes ---- */

typedef struct bind_class {
    const char *name;            /* "hone.model": __name and the key of the metatable */
    void (*free)(void *object);
    const luaL_Reg *methods;     /* ends with { NULL, NULL } */
    const luaL_Reg *properties;  /* called with the object for object.name; may be NULL */
    const luaL_Reg *meta;        /* more metamethods; may be NULL */
} bind_class;

typedef struct bind_box {
    void *object;                /* NULL: closed */
    const bind_class *class;
} bind_box;

/* Make the class's metatable and leave its table of methods on the stack, for
 * the Lua library to add to. */
void bind_class_new(lua_State *L, const bind_class *class);
/* Push an empty box, with one user value. */
bind_box *bind_new(lua_State *L, const bind_class *class);
/* The object of an argument; raises when it is another thing, or closed. */
void *bind_check(lua_State *L, int arg, const bind_class *class);
/* The same, or NULL when it is another thing. */
void *bind_test(lua_State *L, int index, const bind_class *class);

/* Entries of a list, bytes of a text: memory holds them, so that a size does, too. */
static inline size_t bind_count(lua_State *L, int index)
{
    return (size_t)lua_rawlen(L, index);
}

/* Push zeroed memory in a box. */
void *bind_buffer(lua_State *L, size_t count, size_t size);
/* Push an empty box for memory that hone_free takes. */
bind_box *bind_owned(lua_State *L);

/* ---- errors ---- */

/* Push "script.lua:12: " of the first frame outside the library, or "". */
void bind_where(lua_State *L);
_Noreturn void bind_raise(lua_State *L, const hone_error *err);
_Noreturn void bind_fail(lua_State *L, const char *fmt, ...) HONE_PRINTF(2, 3);
/* Raise unless the code is HONE_OK. */
void bind_ok(lua_State *L, int code, const hone_error *err);

/* ---- the state ---- */

struct bind_definition;

typedef struct bind_tensor {
    hone_tensor *tensor;
    struct bind_tensor *next, **link; /* in the list of the step; link NULL: outside of it */
    size_t bytes;
    bool over;                        /* its step has ended */
} bind_tensor;

/* One for a Lua state, in its registry. The library is opened when first needed. */
typedef struct bind_state {
    hone_context *context;
    hone_graph *graph;
    char *config;                     /* settings file asked for */
    int threads;                      /* asked for; 0: by settings */
    char *library;                    /* "@/usr/share/hone/lua/hone/": chunks of the library */
    lua_State *L;                     /* where calls back from C run */
    bool stepping;                    /* a step that the script began */
    int calls;                        /* back from an op under way */
    bool idle;                        /* the unrecorded one for operations outside */
    bind_tensor *handles;             /* of the step */
    size_t unpaid;                    /* bytes of tensors that the collector has not heard of */
    struct bind_definition *definitions;
    const char *loading;              /* the plugin file being loaded, or NULL */
    double deadline;                  /* of the Lua plugin being called; 0: none */
} bind_state;

bind_state *bind_get(lua_State *L);
/* The context, made with the settings asked for. */
hone_context *bind_context(lua_State *L);
/* Note where calls back from C shall run; every function that may cause one
 * does so. Returns what was noted before, for bind_leave. */
lua_State *bind_enter(lua_State *L);
void bind_leave(lua_State *L, lua_State *before);

/* ---- values ---- */

/* Push a Lua value of JSON: null becomes hone.null, integers stay integers. */
void bind_push_json(lua_State *L, const hone_json *json);
/* Push a box with JSON of the value at index, and return it; nil gives NULL.
 * Empty tables become lists where empty_is_list. */
hone_json *bind_to_json(lua_State *L, int index, bool empty_is_list);
/* The same for options of a plugin: its table says what an empty table is. */
hone_json *bind_to_options(lua_State *L, int index, const hone_option *options);
/* A box to be filled by the library; push what it holds with bind_push_json. */
hone_json **bind_json_box(lua_State *L);

/* Fields of a table of options; absent ones give def. */
int64_t bind_field_int(lua_State *L, int table, const char *key, int64_t def);
double bind_field_number(lua_State *L, int table, const char *key, double def);
bool bind_field_bool(lua_State *L, int table, const char *key, bool def);
/* Borrowed from the table. */
const char *bind_field_string(lua_State *L, int table, const char *key, const char *def);

/* ---- by noun ---- */

extern const bind_class bind_model_class, bind_data_class, bind_examples_class, bind_batch_class;
extern const bind_class bind_samples_class, bind_ids_class, bind_judgement_class;

/* A tensor argument; raises when its step is over. */
hone_tensor *bind_tensor_check(lua_State *L, int arg);
hone_tensor *bind_tensor_test(lua_State *L, int index);
/* Push a handle that holds a reference. of_step: it ends with the step. */
void bind_tensor_push(lua_State *L, hone_tensor *tensor, bool of_step);
/* Push an empty handle that does not end with the step, for the library to fill;
 * then bind_tensor_filled raises what went wrong, or counts its bytes; returns 1. */
bind_tensor *bind_tensor_box(lua_State *L);
int bind_tensor_filled(lua_State *L, bind_tensor *handle, int code, const hone_error *err);
/* Lengths of samples: a tensor, or a list of numbers that is turned into one. */
hone_tensor *bind_lengths(lua_State *L, int arg);
/* Push where each begins, [samples + 1], once hone_lengths_check found them right. */
int32_t *bind_starts(lua_State *L, const hone_tensor *lengths, int64_t tokens, const char *what);
/* Tell the collector of the bytes that were made since. */
void bind_tensor_pay(lua_State *L);
/* Let go of the handles made since `until` (NULL: all of the step). */
void bind_tensor_end(bind_state *state, bind_tensor *until);

/* The graph, in a step: the script's, or the idle one. */
hone_graph *bind_graph(lua_State *L);
/* Raise what a failed op left in the graph. */
_Noreturn void bind_graph_raise(lua_State *L, hone_graph *g);
/* Push the result of an op made since mark, or raise; returns 1. */
int bind_result(lua_State *L, hone_graph *g, size_t mark, hone_tensor *t);
/* Keep the value at index until the step ends. */
void bind_step_keep(lua_State *L, int index);

/* Add the methods of heads to the table of models' methods on the stack. */
void bind_head_methods(lua_State *L);

/* An instance of a kind (NULL: any). */
hone_instance *bind_instance_check(lua_State *L, int arg, const char *kind);
hone_instance *bind_instance_test(lua_State *L, int index);
/* Push a box for an instance; the library fills it. */
hone_instance **bind_instance_box(lua_State *L);

/* A list of ids: a hone.ids, or a table of integers that is turned into one
 * (pushed). */
const hone_ids *bind_ids_check(lua_State *L, int arg);
hone_ids *bind_ids_box(lua_State *L);

/* Push sample i (0-based) of the samples at index. */
void bind_sample_push(lua_State *L, int samples, size_t i);
/* Push a copy of samples that someone else owns, by reference. */
void bind_samples_push(lua_State *L, const hone_samples *samples);

/* Each adds its functions to the table on the stack. */
void bind_open_system(lua_State *L);
void bind_open_context(lua_State *L);
void bind_open_json(lua_State *L);
void bind_open_plugin(lua_State *L);
void bind_open_define(lua_State *L);
void bind_open_tensor(lua_State *L);
void bind_open_ops(lua_State *L);
void bind_open_advantage(lua_State *L);
void bind_open_graph(lua_State *L);
void bind_open_tokenizer(lua_State *L);
void bind_open_model(lua_State *L);
void bind_open_loss(lua_State *L);
void bind_open_batch(lua_State *L);
void bind_open_data(lua_State *L);
void bind_open_examples(lua_State *L);
void bind_open_generate(lua_State *L);
void bind_open_sample(lua_State *L);
void bind_open_metric(lua_State *L);
void bind_open_judgement(lua_State *L);
void bind_open_consensus(lua_State *L);
void bind_open_optimizer(lua_State *L);
void bind_open_safetensors(lua_State *L);
void bind_open_geometry(lua_State *L);
void bind_open_rows(lua_State *L);
void bind_open_terminal(lua_State *L);
void bind_open_random(lua_State *L);
void bind_open_statistics(lua_State *L);
void bind_open_store(lua_State *L);
/* Have the context load plugins written in Lua. */
int bind_define_loader(bind_state *state, hone_error *err);
void bind_definitions_free(bind_state *state);

#endif

/* score.h -- calling functions of a script that score samples. */
#ifndef BIND_SCORE_H
#define BIND_SCORE_H

#include "bind.h"

extern const bind_class bind_scores_class;

/* What define.c and reward.c ask for. */
typedef struct score_call {
    bind_state *state;
    const char *name;        /* in the log: "metric/civil" */
    const hone_samples *samples;
    hone_scores *out;
    int function;            /* a reference in Lua's registry */
    const hone_json *options; /* its second argument; NULL: none */
    bool batch;              /* it takes all samples and returns a list */
    double timeout;          /* seconds that a call may take; 0: any */
    double outer;            /* set by bind_score: when a call around this one is late */
} score_call;

/* Score on the interpreter's own thread, under pcall. What goes wrong with one
 * sample is its failure; what goes wrong with all is an error. */
int bind_score(score_call *call, hone_error *err);
/* Set the score of sample i from the value at index: a number; true is 1, false 0;
 * nil or hone.null: does not apply; { score = , heads = { name = number }, tokens =
 * { ... } }, or { failed = message }. Anything else is a failure. */
void bind_score_set(lua_State *L, const score_call *call, size_t i, int value);
/* Set all scores from the list at index, one value a sample; `who` returned it. */
int bind_score_list(lua_State *L, const score_call *call, int list, const char *who,
                    hone_error *err);

/* Each adds its functions to the table on the stack. */
void bind_open_reward(lua_State *L);
void bind_open_calibrate(lua_State *L);

#endif

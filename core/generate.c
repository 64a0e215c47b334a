/* generate.c -- continuous batching over one cache; see <hone/generate.h>.
 *
 * A job is one sample of one prompt; jobs enter in order. A prompt is prefilled once,
 * into a place of its own behind the slots, with its logits beside it; each of its
 * samples begins as a copy of that place, which shares the blocks of the cache. In a
 * step every running sequence feeds what is new: its last token, or that and what an
 * environment said.
 *
 * Where the kernels' products make a row independent of the others, all that is to be
 * fed goes together; else sequences go together up to the rows of which that is true,
 * and longer ones alone. So neither what is decoded beside a sample nor what enters
 * meanwhile changes a bit of it. A sample draws from a stream named by its prompt and
 * index alone. */
#include "answer.h"
#include "batch.h"
#include "context.h"
#include "graph.h"
#include "model.h"
#include "sampler.h"

#include <stdio.h>
#include <string.h>

#define GENERATE_BATCH 16
#define GENERATE_ROWS 512       /* of a forward pass, where one sequence does not need more */
#define GENERATE_OUTPUTS 64     /* rows of logits */
#define GENERATE_NONE SIZE_MAX

/* A prompt whose samples enter. */
typedef struct generate_prompt {
    size_t index;              /* GENERATE_NONE: free */
    bool ready;                /* it is in the cache, its logits are here */
    float *logits;             /* [vocab] */
} generate_prompt;

/* A token to be chosen. */
typedef struct generate_draw {
    int32_t slot;
    const float *logits;
    int32_t token;
    double logp;
    int code;
    hone_error error;
} generate_draw;

typedef struct generate {
    hone_answer_rules rules;
    const hone_prompt *prompts;
    hone_token_fn *fn;
    void *user;
    hone_context *context;
    size_t prompts_count, jobs;
    size_t samples;            /* of a prompt */
    size_t next;               /* the first job that has not entered */
    hone_answer *answers;      /* [jobs] */
    hone_graph *graph;
    hone_batch *batch;
    hone_cache *cache;         /* slots, then places of prompts */
    int32_t slots;
    size_t *running;           /* [slots]: a job, or GENERATE_NONE */
    generate_prompt *places;   /* [places_count]: of prompt i: i % places_count */
    size_t places_count;
    int32_t *outputs;          /* [GENERATE_OUTPUTS]: which slot each row of logits is of */
    int32_t outputs_count;
    int64_t together;          /* rows of a forward pass of several sequences */
    generate_draw *draws;      /* [GENERATE_OUTPUTS] */
    int32_t draws_count;
    hone_sampler **samplers;   /* [workers] */
    int workers;
} generate;

hone_generate_options hone_generate_defaults(void)
{
    return (hone_generate_options){ .max_tokens = 128, .samples = 1, .top_p = 1,
                                    .repetition_penalty = 1 };
}

static int generate_check_options(const generate *g, hone_error *err)
{
    const hone_generate_options *o = &g->rules.options;

    if (!hone_model_head(g->rules.model))
        return hone_fail(err, HONE_ESTATE, "the model has no vocabulary head");
    if (o->max_tokens < 1 || o->max_tokens > INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "max_tokens is %" PRId64 "; 1 to %" PRId32 " allowed",
                         o->max_tokens, INT32_MAX);
    if (o->samples < 1 || o->samples > INT32_MAX)
        return hone_fail(err, HONE_EINVAL, "samples is %" PRId64 "; 1 to %" PRId32 " allowed",
                         o->samples, INT32_MAX);
    if (o->batch < 0 || o->batch > 65536)
        return hone_fail(err, HONE_EINVAL, "batch is %" PRId64 "; 0 (%d) to 65536 allowed",
                         o->batch, GENERATE_BATCH);
    if (o->turns < 0)
        return hone_fail(err, HONE_EINVAL, "turns is %" PRId64 "; 0 (any) or more allowed",
                         o->turns);
    for (size_t i = 0; o->stop && o->stop[i]; i++) {
        if (!o->stop[i][0])
            return hone_fail(err, HONE_EINVAL, "stop: an empty text would end every response");
        if (!g->rules.tokenizer)
            return hone_fail(err, HONE_ESTATE, "stop: the model has no tokenizer to write text");
    }
    return HONE_OK;
}

static int generate_check_prompts(const generate *g, hone_error *err)
{
    int64_t vocab = hone_model_vocab(g->rules.model);

    for (size_t p = 0; p < g->prompts_count; p++) {
        const hone_prompt *prompt = &g->prompts[p];
        if (prompt->count < 1)
            return hone_fail(err, HONE_EINVAL, "prompt %zu is empty", p + 1);
        if (prompt->count >= g->rules.limit)
            return hone_fail(err, HONE_EINVAL, "prompt %zu: %" PRId64 " tokens leave no room "
                             "before the model's limit of %" PRId64, p + 1, prompt->count,
                             g->rules.limit);
        for (int64_t i = 0; i < prompt->count; i++)
            if (prompt->tokens[i] < 0 || prompt->tokens[i] >= vocab)
                return hone_fail(err, HONE_EINVAL, "prompt %zu: token %" PRId32 " is not in the "
                                 "vocabulary of %" PRId64, p + 1, prompt->tokens[i], vocab);
    }
    return HONE_OK;
}

/* Tokens that the longest sequence may come to. */
static int64_t generate_capacity(const generate *g)
{
    int64_t most = 0, tokens = g->rules.options.max_tokens;

    for (size_t p = 0; p < g->prompts_count; p++)
        if (g->prompts[p].count > most)
            most = g->prompts[p].count;
    most = g->rules.options.environment || most > INT32_MAX - tokens ? INT32_MAX : most + tokens;
    return most < g->rules.limit ? most : g->rules.limit;
}

static int generate_open_lists(generate *g, hone_error *err)
{
    size_t vocab = (size_t)hone_model_vocab(g->rules.model);

    g->answers = hone_alloc(g->jobs + 1, sizeof *g->answers);
    g->running = hone_alloc((size_t)g->slots + 1, sizeof *g->running);
    g->places = hone_alloc(g->places_count, sizeof *g->places);
    g->outputs = hone_alloc(GENERATE_OUTPUTS, sizeof *g->outputs);
    g->draws = hone_alloc(GENERATE_OUTPUTS, sizeof *g->draws);
    if (!g->answers || !g->running || !g->places || !g->outputs || !g->draws)
        return hone_fail_memory(err, "samples");
    for (int32_t s = 0; s < g->slots; s++)
        g->running[s] = GENERATE_NONE;
    for (size_t i = 0; i < g->places_count; i++) {
        g->places[i].index = GENERATE_NONE;
        if (!(g->places[i].logits = hone_alloc(vocab, sizeof(float))))
            return hone_fail_memory(err, "samples");
    }
    for (size_t job = 0; job < g->jobs; job++) {
        hone_answer *a = &g->answers[job];
        a->prompt_index = job / g->samples;
        a->sample = (int64_t)(job % g->samples);
        a->prompt = &g->prompts[a->prompt_index];
    }
    return HONE_OK;
}

/* A sampler a thread: the first also checks the options. */
static int generate_open_samplers(generate *g, hone_error *err)
{
    const hone_generate_options *o = &g->rules.options;
    hone_sampler_options sampling = { o->temperature, o->top_k, o->top_p, o->min_p,
                                      o->repetition_penalty };
    int threads = hone_context_threads(g->context), code = HONE_OK;

    threads = threads < GENERATE_OUTPUTS ? threads : GENERATE_OUTPUTS;
    if (!(g->samplers = hone_alloc((size_t)threads, sizeof *g->samplers)))
        return hone_fail_memory(err, "samplers");
    for (int i = 0; !code && i < threads; i++)
        if (!(code = hone_sampler_new(&g->samplers[i], &sampling, hone_model_vocab(g->rules.model),
                                      g->context->kernels, err)))
            g->workers++;
    return code;
}

static int generate_open(generate *g, hone_error *err)
{
    const hone_generate_options *o = &g->rules.options;
    int64_t positions = hone_model_max_positions(g->rules.model);
    size_t batch = o->batch ? (size_t)o->batch : GENERATE_BATCH;
    int code;

    g->rules.limit = positions ? positions : INT64_MAX;
    if ((code = generate_check_options(g, err)) || (code = generate_check_prompts(g, err)) ||
        (code = generate_open_samplers(g, err)))
        return code;
    g->samples = (size_t)o->samples;
    if (g->prompts_count > SIZE_MAX / g->samples)
        return hone_fail_memory(err, "samples");
    g->jobs = g->prompts_count * g->samples;
    g->slots = (int32_t)(g->jobs < batch ? g->jobs : batch);
    /* Free slots are of at most this many prompts in a row. */
    g->places_count = ((size_t)g->slots + g->samples - 1) / g->samples + 1;
    if ((code = generate_open_lists(g, err)) || !g->jobs)
        return code;
    if ((code = hone_graph_new(&g->graph, g->context, NULL, err)) ||
        (code = hone_batch_new(&g->batch, err)))
        return code;
    g->together = g->graph->k->packed ? GENERATE_ROWS : HONE_GEMM_FEW;
    return hone_cache_new(&g->cache, g->slots + (int32_t)g->places_count, generate_capacity(g),
                          err);
}

static void generate_close(generate *g)
{
    for (size_t i = 0; g->answers && i < g->jobs; i++)
        hone_answer_clear(&g->answers[i]);
    for (size_t i = 0; g->places && i < g->places_count; i++)
        hone_free(g->places[i].logits);
    for (int i = 0; i < g->workers; i++)
        hone_sampler_free(g->samplers[i]);
    hone_free(g->answers);
    hone_free(g->running);
    hone_free(g->places);
    hone_free(g->outputs);
    hone_free(g->draws);
    hone_free(g->samplers);
    hone_cache_free(g->cache);
    hone_batch_free(g->batch);
    hone_graph_free(g->graph);
}

/* ---- tokens ---- */

static void generate_draw_some(void *arg, int64_t worker)
{
    generate *g = arg;
    hone_sampler *sampler = g->samplers[worker];

    for (int32_t i = (int32_t)worker; i < g->draws_count; i += g->workers) {
        generate_draw *d = &g->draws[i];
        hone_answer *a = &g->answers[g->running[d->slot]];
        hone_sampler_load(sampler, d->logits);
        hone_sampler_seen(sampler, a->prompt->tokens, a->prompt->count);
        hone_sampler_seen(sampler, a->ids.items, (int64_t)a->ids.count);
        d->code = hone_sampler_draw(sampler, &a->random, &d->token, &d->logp, &d->error);
    }
}

static int generate_take(generate *g, generate_draw *d, hone_error *err)
{
    hone_answer *a = &g->answers[g->running[d->slot]];
    int code;

    if (d->code) {
        if (err)
            *err = d->error;
        hone_fail_in(err, "prompt %zu, sample %" PRId64 ", token %zu", a->prompt_index + 1,
                     a->sample + 1, a->ids.count + 1);
        return d->code;
    }
    if ((code = hone_answer_take(a, &g->rules, d->token, d->logp, err)))
        return code;
    if (g->fn && !g->fn(g->user, a->prompt_index, a->sample, d->token, d->logp))
        return hone_fail(err, HONE_EINTERRUPTED, "generation was stopped by its caller");
    if (a->finish) {
        hone_cache_clear(g->cache, d->slot);
        g->running[d->slot] = GENERATE_NONE;
    }
    return HONE_OK;
}

/* Choose the tokens of all draws, in parallel; keep them, in order. */
static int generate_draw_all(generate *g, hone_error *err)
{
    int64_t workers = g->workers < g->draws_count ? g->workers : g->draws_count;
    int64_t began = hone_context_clock();
    int code = HONE_OK;

    hone_parallel(g->context, workers, generate_draw_some, g);
    hone_context_spend(g->context, HONE_WORK_SAMPLING, began);
    for (int32_t i = 0; !code && i < g->draws_count; i++)
        code = generate_take(g, &g->draws[i], err);
    g->draws_count = 0;
    return code;
}

static void generate_plan_draw(generate *g, int32_t slot, const float *logits)
{
    g->draws[g->draws_count++] = (generate_draw){ .slot = slot, .logits = logits };
}

/* ---- forward ---- */

static int generate_forward(generate *g, hone_error *err)
{
    hone_graph_options options = { .adapters_off = g->rules.options.adapters_off,
                                   .seed = g->rules.options.seed };
    int64_t vocab = hone_model_vocab(g->rules.model);
    hone_tensor *logits;
    int code, ended;

    if (hone_context_interrupted(g->context))
        return hone_fail(err, HONE_EINTERRUPTED, "generation was interrupted");
    if ((code = hone_graph_begin(g->graph, &options, err)))
        return code;
    logits = hone_head_logits(g->graph,
                              hone_model_hidden(g->rules.model, g->graph, g->batch, g->cache),
                              hone_model_head(g->rules.model));
    for (int32_t i = 0; logits && i < g->outputs_count; i++) {
        const float *row = (const float *)hone_tensor_bytes(logits) + i * vocab;
        if (g->outputs[i] < g->slots) {
            generate_plan_draw(g, g->outputs[i], row);
        } else {
            generate_prompt *place = &g->places[g->outputs[i] - g->slots];
            memcpy(place->logits, row, (size_t)vocab * sizeof *row);
            place->ready = true;
        }
    }
    if (logits && g->draws_count)
        code = generate_draw_all(g, err);
    ended = hone_graph_end(g->graph, code ? NULL : err);
    hone_batch_clear(g->batch);
    g->outputs_count = 0;
    return code ? code : ended;
}

/* Put tokens of a slot into the batch; first compute what is there, if they do
 * not fit beside it. */
static int generate_add(generate *g, int32_t slot, int64_t position, const int32_t *tokens,
                        int64_t count, hone_error *err)
{
    int code = HONE_OK;

    if (g->outputs_count == GENERATE_OUTPUTS ||
        (g->outputs_count && hone_batch_tokens(g->batch) + count > g->together))
        code = generate_forward(g, err);
    g->outputs[g->outputs_count++] = slot;
    return code ? code
                : hone_batch_continue(g->batch, slot, position, tokens, count, false, err);
}

static int generate_flush(generate *g, hone_error *err)
{
    return g->outputs_count ? generate_forward(g, err) : HONE_OK;
}

/* ---- a step ---- */

/* What is new of every sequence that runs. */
static int generate_decode(generate *g, bool *ran, hone_error *err)
{
    int code = HONE_OK;

    for (int32_t s = 0; !code && s < g->slots; s++) {
        hone_answer *a;
        if (g->running[s] == GENERATE_NONE)
            continue;
        a = &g->answers[g->running[s]];
        *ran = true;
        code = generate_add(g, s, a->prompt->count + (int64_t)a->fed, a->ids.items + a->fed,
                            (int64_t)(a->ids.count - a->fed), err);
        a->fed = a->ids.count;
    }
    return code ? code : generate_flush(g, err);
}

/* Prefill the prompts that free slots wait for. */
static int generate_admit(generate *g, bool *ran, hone_error *err)
{
    size_t vacant = 0, job = g->next;
    int code = HONE_OK;

    for (int32_t s = 0; s < g->slots; s++)
        vacant += g->running[s] == GENERATE_NONE;
    while (!code && job < g->jobs && job - g->next < vacant) {
        size_t index = job / g->samples, at = index % g->places_count;
        generate_prompt *place = &g->places[at];
        int32_t slot = g->slots + (int32_t)at;
        if (place->index != index) {
            *place = (generate_prompt){ .index = index, .logits = place->logits };
            hone_cache_clear(g->cache, slot);
            code = generate_add(g, slot, 0, g->prompts[index].tokens, g->prompts[index].count, err);
        }
        *ran = true;
        job = (index + 1) * g->samples;
    }
    return code ? code : generate_flush(g, err);
}

static int generate_enter_one(generate *g, int32_t slot, const generate_prompt *place,
                              hone_error *err)
{
    int32_t from = g->slots + (int32_t)(place - g->places);
    int code = hone_cache_copy(g->cache, slot, from, err);

    if (code || (code = hone_answer_begin(&g->answers[g->next], &g->rules, err)))
        return code;
    g->running[slot] = g->next++;
    if (g->next % g->samples == 0)
        hone_cache_clear(g->cache, from);
    generate_plan_draw(g, slot, place->logits);
    return HONE_OK;
}

/* Samples of prompts that are ready go into free slots, and get their first token. */
static int generate_enter(generate *g, hone_error *err)
{
    int code = HONE_OK;

    for (int32_t s = 0; !code && s < g->slots; s++) {
        const generate_prompt *place = &g->places[g->next / g->samples % g->places_count];
        if (g->running[s] != GENERATE_NONE)
            continue;
        if (g->next == g->jobs || place->index != g->next / g->samples || !place->ready)
            break;
        code = generate_enter_one(g, s, place, err);
        if (!code && g->draws_count == GENERATE_OUTPUTS)
            code = generate_draw_all(g, err);
    }
    return code || !g->draws_count ? code : generate_draw_all(g, err);
}

static int generate_run(generate *g, hone_error *err)
{
    bool ran = true;
    int code;

    while (ran) {
        ran = false;
        if ((code = generate_admit(g, &ran, err)) || (code = generate_enter(g, err)) ||
            (code = generate_decode(g, &ran, err)))
            return code;
    }
    return HONE_OK;
}

/* ---- samples ---- */

static int generate_collect_one(const hone_answer *a, const hone_answer_rules *rules,
                                const char *text, hone_samples *samples, hone_error *err)
{
    const hone_prompt *prompt = a->prompt;
    int32_t *tokens = hone_alloc((size_t)prompt->count + a->ids.count, sizeof *tokens);
    int code;

    if (!tokens)
        return hone_fail_memory(err, "samples");
    memcpy(tokens, prompt->tokens, (size_t)prompt->count * sizeof *tokens);
    memcpy(tokens + prompt->count, a->ids.items, a->ids.count * sizeof *tokens);
    code = hone_samples_add(samples, &(hone_sample){
        .prompt = text, .response = !rules->tokenizer ? NULL : a->text.bytes ? a->text.bytes : "",
        .tokens = tokens, .prompt_tokens = prompt->count, .response_tokens = (int64_t)a->ids.count,
        .logp = a->logp, .finish = a->finish, .row = prompt->row,
        .group = (int64_t)a->prompt_index, .seed = rules->options.seed,
        .own = a->made < (int64_t)a->ids.count ? a->own : NULL,
    }, err);
    hone_free(tokens);
    return code;
}

static int generate_collect(const generate *g, hone_samples *samples, hone_error *err)
{
    hone_instance *tokenizer = g->rules.tokenizer;
    hone_text text = { 0 };
    int code = HONE_OK;

    for (size_t job = 0; !code && job < g->jobs; job++) {
        const hone_prompt *prompt = g->answers[job].prompt;
        if (tokenizer && job % g->samples == 0) {
            text.count = 0;
            if ((code = hone_text_push(&text, "", 0, err)) ||
                (code = hone_tokenizer_decode(tokenizer, prompt->tokens, (size_t)prompt->count,
                                              false, &text, err)))
                break;
        }
        code = generate_collect_one(&g->answers[job], &g->rules, text.bytes, samples, err);
    }
    hone_free(text.bytes);
    return code;
}

int hone_generate(hone_samples **out, hone_model *model, const hone_prompt *prompts, size_t count,
                  const hone_generate_options *options, hone_token_fn *fn, void *user,
                  hone_error *err)
{
    generate g = { .rules = { .model = model, .tokenizer = hone_model_tokenizer(model),
                              .options = options ? *options : hone_generate_defaults() },
                   .prompts = prompts, .prompts_count = count, .fn = fn, .user = user,
                   .context = hone_model_context(model) };
    hone_samples *samples = NULL;
    int code;

    *out = NULL;
    g.rules.known = g.rules.tokenizer ? hone_tokenizer_vocab(g.rules.tokenizer) : 0;
    if ((code = generate_open(&g, err)) || (g.jobs && (code = generate_run(&g, err))) ||
        (code = hone_samples_new(&samples, err)) || (code = generate_collect(&g, samples, err)))
        goto out;
    *out = samples;
    samples = NULL;
out:
    hone_samples_free(samples);
    generate_close(&g);
    return code;
}

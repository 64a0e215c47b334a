/* generate.c -- continuous batching over one cache; see <hone/generate.h>.
 *
 * A job is one sample of one prompt; jobs enter in order. In a step every
 * running sequence feeds its last token, and prompts that enter are prefilled,
 * each alone: products with few rows compute a row as if it were alone, so that
 * neither what is decoded beside a sample nor what enters meanwhile changes a
 * bit of it. Where a prompt has several samples, it is prefilled once
 * into a slot of its own, from which each of them is copied; they take their
 * first token from the logits kept with it. A sample draws from a stream named
 * by its prompt and index alone, so it depends on no other. */
#include <hone/generate.h>

#include "sampler.h"

#include <stdio.h>
#include <string.h>

#define GENERATE_BATCH 16
#define GENERATE_TOGETHER 16    /* rows of a product that do not depend on each other */
#define GENERATE_NONE SIZE_MAX

typedef struct generate_answer {
    hone_ids ids;
    float *logp;               /* [logp_capacity] */
    size_t logp_capacity;
    hone_text text;
    hone_stream *stream;       /* while it runs, where there is a tokenizer */
    hone_random random;
    const char *finish;        /* NULL: not yet */
} generate_answer;

typedef struct generate {
    hone_model *model;
    hone_instance *tokenizer;  /* NULL: none */
    int64_t known;             /* ids with a text: vocabularies are padded beyond their tokenizer */
    const hone_prompt *prompts;
    hone_generate_options options;
    hone_token_fn *fn;
    void *user;
    size_t jobs, next;         /* next: the first that has not entered */
    size_t samples;            /* of a prompt */
    generate_answer *answers;  /* [jobs] */
    int64_t limit;             /* tokens of a sequence; INT64_MAX: none */
    hone_graph *graph;
    hone_batch *batch;
    hone_cache *cache;
    hone_sampler *sampler;
    int32_t slots;
    size_t *running;           /* [slots]: a job, or GENERATE_NONE */
    int32_t *outputs;          /* [slots + 1]: which slot each row of logits is of */
    int32_t outputs_count;
    size_t shared;             /* the prompt in slot `slots` */
    bool shared_ready;
    float *shared_logits;      /* [vocab]; NULL: prompts have one sample */
} generate;

hone_generate_options hone_generate_defaults(void)
{
    return (hone_generate_options){ .max_tokens = 128, .samples = 1, .top_p = 1 };
}

static int generate_check_options(const generate *g, hone_error *err)
{
    const hone_generate_options *o = &g->options;

    if (!hone_model_head(g->model))
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
    for (size_t i = 0; o->stop && o->stop[i]; i++) {
        if (!o->stop[i][0])
            return hone_fail(err, HONE_EINVAL, "stop: an empty text would end every response");
        if (!g->tokenizer)
            return hone_fail(err, HONE_ESTATE, "stop: the model has no tokenizer to write text");
    }
    return HONE_OK;
}

static int generate_check_prompts(const generate *g, size_t count, hone_error *err)
{
    int64_t vocab = hone_model_vocab(g->model);

    for (size_t p = 0; p < count; p++) {
        const hone_prompt *prompt = &g->prompts[p];
        if (prompt->count < 1)
            return hone_fail(err, HONE_EINVAL, "prompt %zu is empty", p + 1);
        if (prompt->count >= g->limit)
            return hone_fail(err, HONE_EINVAL, "prompt %zu: %" PRId64 " tokens leave no room "
                             "before the model's limit of %" PRId64, p + 1, prompt->count,
                             g->limit);
        for (int64_t i = 0; i < prompt->count; i++)
            if (prompt->tokens[i] < 0 || prompt->tokens[i] >= vocab)
                return hone_fail(err, HONE_EINVAL, "prompt %zu: token %" PRId32 " is not in the "
                                 "vocabulary of %" PRId64, p + 1, prompt->tokens[i], vocab);
    }
    return HONE_OK;
}

/* Tokens that the longest sequence may come to. */
static int64_t generate_capacity(const generate *g, size_t count)
{
    int64_t most = 0;

    for (size_t p = 0; p < count; p++)
        if (g->prompts[p].count > most)
            most = g->prompts[p].count;
    most = most > INT64_MAX - g->options.max_tokens ? INT64_MAX : most + g->options.max_tokens;
    return most < g->limit ? most : g->limit;
}

static int generate_open(generate *g, size_t count, hone_error *err)
{
    const hone_generate_options *o = &g->options;
    hone_sampler_options sampling = { o->temperature, o->top_k, o->top_p, o->min_p };
    int64_t vocab = hone_model_vocab(g->model), positions = hone_model_max_positions(g->model);
    size_t batch = o->batch ? (size_t)o->batch : GENERATE_BATCH;
    bool sharing = o->samples > 1;
    int code;

    g->limit = positions ? positions : INT64_MAX;
    if ((code = generate_check_options(g, err)) ||
        (code = generate_check_prompts(g, count, err)) ||
        (code = hone_sampler_new(&g->sampler, &sampling, vocab, err)))
        return code;
    g->samples = (size_t)o->samples;
    g->shared = GENERATE_NONE;
    if (count > SIZE_MAX / g->samples)
        return hone_fail_memory(err, "samples");
    g->jobs = count * g->samples;
    g->slots = (int32_t)(g->jobs < batch ? g->jobs : batch);
    g->answers = hone_alloc(g->jobs + 1, sizeof *g->answers);
    g->running = hone_alloc((size_t)g->slots + 1, sizeof *g->running);
    g->outputs = hone_alloc((size_t)g->slots + 1, sizeof *g->outputs);
    if (sharing)
        g->shared_logits = hone_alloc((size_t)vocab, sizeof *g->shared_logits);
    if (!g->answers || !g->running || !g->outputs || (sharing && !g->shared_logits))
        return hone_fail_memory(err, "samples");
    for (int32_t s = 0; s < g->slots; s++)
        g->running[s] = GENERATE_NONE;
    if (!g->jobs)
        return HONE_OK;
    if ((code = hone_graph_new(&g->graph, hone_model_context(g->model), NULL, err)) ||
        (code = hone_batch_new(&g->batch, err)))
        return code;
    return hone_cache_new(&g->cache, g->slots + sharing, generate_capacity(g, count), err);
}

static void generate_close(generate *g)
{
    for (size_t i = 0; g->answers && i < g->jobs; i++) {
        hone_free(g->answers[i].ids.items);
        hone_free(g->answers[i].logp);
        hone_free(g->answers[i].text.bytes);
        hone_stream_free(g->answers[i].stream);
    }
    hone_free(g->answers);
    hone_free(g->running);
    hone_free(g->outputs);
    hone_free(g->shared_logits);
    hone_sampler_free(g->sampler);
    hone_cache_free(g->cache);
    hone_batch_free(g->batch);
    hone_graph_free(g->graph);
}

/* ---- one sequence ---- */

static const hone_prompt *generate_prompt(const generate *g, size_t job)
{
    return &g->prompts[job / g->samples];
}

static int generate_enter(generate *g, int32_t slot, hone_error *err)
{
    size_t job = g->next;
    generate_answer *a = &g->answers[job];
    char name[48];

    snprintf(name, sizeof name, "%zu/%zu", job / g->samples, job % g->samples);
    a->random = hone_random_named(g->options.seed, name);
    g->running[slot] = job;
    g->next++;
    return g->tokenizer ? hone_stream_new(&a->stream, g->tokenizer, err) : HONE_OK;
}

static bool generate_ends(const generate *g, int32_t token)
{
    const hone_generate_options *o = &g->options;
    size_t count;
    const int32_t *ends = hone_model_eos(g->model, &count);

    for (size_t i = 0; i < o->stop_tokens_count; i++)
        if (o->stop_tokens[i] == token)
            return true;
    if (o->ignore_eos)
        return false;
    for (size_t i = 0; i < count; i++)
        if (ends[i] == token)
            return true;
    return g->tokenizer && hone_tokenizer_role(g->tokenizer, "eos") == token;
}

/* Cut the text at the first stop text that ends after `before`. */
static bool generate_stops(const generate *g, generate_answer *a, size_t before)
{
    const char *const *stop = g->options.stop;
    char *first = NULL;

    for (size_t i = 0; stop && stop[i] && a->text.bytes; i++) {
        size_t n = strlen(stop[i]);
        char *at = strstr(a->text.bytes + (before >= n ? before - n + 1 : 0), stop[i]);
        if (at && (!first || at < first))
            first = at;
    }
    if (!first)
        return false;
    a->text.count = (size_t)(first - a->text.bytes);
    *first = '\0';
    return true;
}

static int generate_keep(generate_answer *a, int32_t token, double logp, hone_error *err)
{
    int code = hone_ids_push(&a->ids, token, err);

    if (code)
        return code;
    if (a->ids.count > a->logp_capacity) {
        float *grown = hone_realloc(a->logp, a->ids.capacity, sizeof *grown);
        if (!grown)
            return hone_fail_memory(err, "log-probabilities");
        a->logp = grown;
        a->logp_capacity = a->ids.capacity;
    }
    a->logp[a->ids.count - 1] = (float)logp;
    return HONE_OK;
}

/* Append a token's text, and see whether the response is over. */
static int generate_judge(generate *g, size_t job, int32_t token, hone_error *err)
{
    generate_answer *a = &g->answers[job];
    int64_t made = (int64_t)a->ids.count, total = generate_prompt(g, job)->count + made;
    size_t before = a->text.count;
    int code = HONE_OK;

    if (generate_ends(g, token))
        a->finish = "stop";
    else if (a->stream && token < g->known)
        code = hone_stream_push(a->stream, token, &a->text, err);
    if (!code && !a->finish && generate_stops(g, a, before)) {
        a->finish = "stop";
        return HONE_OK;
    }
    if (!code && !a->finish && (made >= g->options.max_tokens || total >= g->limit))
        a->finish = "length";
    if (code || !a->finish || !a->stream)
        return code;
    before = a->text.count;
    if ((code = hone_stream_end(a->stream, &a->text, err)))
        return code;
    generate_stops(g, a, before);
    return HONE_OK;
}

/* Choose the slot's next token from its logits. */
static int generate_step(generate *g, int32_t slot, const float *logits, hone_error *err)
{
    size_t job = g->running[slot];
    generate_answer *a = &g->answers[job];
    int32_t token;
    double logp;
    int code;

    if ((code = hone_sampler_pick(g->sampler, logits, &a->random, &token, &logp, err))) {
        hone_fail_in(err, "prompt %zu, sample %zu, token %zu", job / g->samples + 1,
                     job % g->samples + 1, a->ids.count + 1);
        return code;
    }
    if ((code = generate_keep(a, token, logp, err)) ||
        (code = generate_judge(g, job, token, err)))
        return code;
    if (g->fn && !g->fn(g->user, job / g->samples, (int64_t)(job % g->samples), token, logp))
        return hone_fail(err, HONE_EINTERRUPTED, "generation was stopped by its caller");
    if (a->finish) {
        hone_stream_free(a->stream);
        a->stream = NULL;
        g->running[slot] = GENERATE_NONE;
    }
    return HONE_OK;
}

/* ---- one batch ---- */

/* Jobs of the prompt that is ready in the shared slot enter by copies. */
static int generate_enter_copies(generate *g, hone_error *err)
{
    int code = HONE_OK;

    for (int32_t s = 0; !code && s < g->slots; s++)
        while (!code && g->running[s] == GENERATE_NONE && g->next < g->jobs && g->shared_ready &&
               g->next / g->samples == g->shared) {
            hone_cache_clear(g->cache, s);
            if (!(code = hone_cache_copy(g->cache, s, g->slots, err)) &&
                !(code = generate_enter(g, s, err)))
                code = generate_step(g, s, g->shared_logits, err);
        }
    return code;
}

static int generate_prefill(generate *g, int32_t slot, size_t prompt, hone_error *err)
{
    const hone_prompt *p = &g->prompts[prompt];

    hone_cache_clear(g->cache, slot);
    g->outputs[g->outputs_count++] = slot;
    return hone_batch_continue(g->batch, slot, 0, p->tokens, p->count, false, err);
}

/* The last tokens of what runs in slots [*from, ...), up to GENERATE_TOGETHER. */
static int generate_feed(generate *g, int32_t *from, hone_error *err)
{
    int code = HONE_OK;
    int32_t s = *from;

    for (; !code && s < g->slots && g->outputs_count < GENERATE_TOGETHER; s++) {
        size_t job = g->running[s];
        if (job == GENERATE_NONE)
            continue;
        const hone_ids *ids = &g->answers[job].ids;
        g->outputs[g->outputs_count++] = s;
        code = hone_batch_continue(g->batch, s,
                                   generate_prompt(g, job)->count + (int64_t)ids->count - 1,
                                   &ids->items[ids->count - 1], 1, false, err);
    }
    *from = s;
    return code;
}

/* The next prompt, where a slot is free for it. */
static int generate_enter_prompt(generate *g, hone_error *err)
{
    int32_t s = 0;
    int code;

    while (s < g->slots && g->running[s] != GENERATE_NONE)
        s++;
    if (s == g->slots || g->next == g->jobs)
        return HONE_OK;
    if (g->shared_logits) {
        g->shared = g->next / g->samples;
        g->shared_ready = false;
        return generate_prefill(g, g->slots, g->shared, err);
    }
    code = generate_prefill(g, s, g->next, err);
    return code ? code : generate_enter(g, s, err);
}

static int generate_forward(generate *g, hone_error *err)
{
    hone_graph_options options = { .adapters_off = g->options.adapters_off,
                                   .seed = g->options.seed };
    int64_t vocab = hone_model_vocab(g->model);
    hone_tensor *logits;
    int code, ended;

    if ((code = hone_graph_begin(g->graph, &options, err)))
        return code;
    logits = hone_head_logits(g->graph,
                              hone_model_hidden(g->model, g->graph, g->batch, g->cache),
                              hone_model_head(g->model));
    for (int32_t i = 0; logits && !code && i < g->outputs_count; i++) {
        const float *row = (const float *)hone_tensor_bytes(logits) + i * vocab;
        if (g->outputs[i] == g->slots) {
            memcpy(g->shared_logits, row, (size_t)vocab * sizeof *row);
            g->shared_ready = true;
        } else {
            code = generate_step(g, g->outputs[i], row, err);
        }
    }
    ended = hone_graph_end(g->graph, code ? NULL : err);
    return code ? code : ended;
}

static void generate_clear(generate *g)
{
    hone_batch_clear(g->batch);
    g->outputs_count = 0;
}

/* One token for all that runs; *ran: there was something. */
static int generate_decode(generate *g, bool *ran, hone_error *err)
{
    int code = HONE_OK;

    for (int32_t from = 0; !code && from < g->slots;) {
        generate_clear(g);
        code = generate_feed(g, &from, err);
        *ran = *ran || g->outputs_count;
        if (!code && g->outputs_count)
            code = generate_forward(g, err);
    }
    return code;
}

/* Prompts into free slots; one that is shared waits for its copies. */
static int generate_admit(generate *g, bool *ran, hone_error *err)
{
    int code;

    do {
        generate_clear(g);
        code = generate_enter_prompt(g, err);
        *ran = *ran || g->outputs_count;
        if (!code && g->outputs_count)
            code = generate_forward(g, err);
    } while (!code && g->outputs_count && !g->shared_logits);
    return code;
}

static int generate_run(generate *g, hone_error *err)
{
    hone_context *context = hone_model_context(g->model);
    bool ran = true;
    int code;

    while (ran) {
        ran = false;
        if (hone_context_interrupted(context))
            return hone_fail(err, HONE_EINTERRUPTED, "generation was interrupted");
        if ((code = generate_enter_copies(g, err)) || (code = generate_decode(g, &ran, err)) ||
            (code = generate_admit(g, &ran, err)))
            return code;
    }
    return HONE_OK;
}

/* ---- samples ---- */

static int generate_collect_one(const generate *g, size_t job, const char *text, int32_t *tokens,
                                hone_samples *samples, hone_error *err)
{
    const hone_prompt *prompt = generate_prompt(g, job);
    const generate_answer *a = &g->answers[job];

    memcpy(tokens, prompt->tokens, (size_t)prompt->count * sizeof *tokens);
    memcpy(tokens + prompt->count, a->ids.items, a->ids.count * sizeof *tokens);
    return hone_samples_add(samples, &(hone_sample){
        .prompt = text, .response = !g->tokenizer ? NULL : a->text.bytes ? a->text.bytes : "",
        .tokens = tokens, .prompt_tokens = prompt->count, .response_tokens = (int64_t)a->ids.count,
        .logp = a->logp, .finish = a->finish, .row = prompt->row,
        .group = (int64_t)(job / g->samples), .seed = g->options.seed,
    }, err);
}

static int generate_collect(const generate *g, hone_samples *samples, hone_error *err)
{
    int64_t capacity = g->jobs ? hone_cache_capacity(g->cache) : 0;
    int32_t *tokens = hone_alloc((size_t)capacity + 1, sizeof *tokens);
    hone_text text = { 0 };
    int code = tokens ? HONE_OK : hone_fail_memory(err, "samples");

    for (size_t job = 0; !code && job < g->jobs; job++) {
        const hone_prompt *prompt = generate_prompt(g, job);
        if (g->tokenizer && job % g->samples == 0) {
            text.count = 0;
            if ((code = hone_text_push(&text, "", 0, err)) ||
                (code = hone_tokenizer_decode(g->tokenizer, prompt->tokens, (size_t)prompt->count,
                                              false, &text, err)))
                break;
        }
        code = generate_collect_one(g, job, text.bytes, tokens, samples, err);
    }
    hone_free(text.bytes);
    hone_free(tokens);
    return code;
}

int hone_generate(hone_samples **out, hone_model *model, const hone_prompt *prompts, size_t count,
                  const hone_generate_options *options, hone_token_fn *fn, void *user,
                  hone_error *err)
{
    generate g = { .model = model, .tokenizer = hone_model_tokenizer(model), .prompts = prompts,
                   .options = options ? *options : hone_generate_defaults(), .fn = fn,
                   .user = user };
    hone_samples *samples = NULL;
    int code;

    *out = NULL;
    g.known = g.tokenizer ? hone_tokenizer_vocab(g.tokenizer) : 0;
    if ((code = generate_open(&g, count, err)) || (g.jobs && (code = generate_run(&g, err))) ||
        (code = hone_samples_new(&samples, err)) || (code = generate_collect(&g, samples, err)))
        goto out;
    *out = samples;
    samples = NULL;
out:
    hone_samples_free(samples);
    generate_close(&g);
    return code;
}

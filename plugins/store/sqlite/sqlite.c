/* sqlite.c -- a store in one SQLite file.
 *
 * Write-ahead log, so that readers and a writer do not wait for each other. Each
 * call is one transaction that begins as a writer: nothing is read that
 * another may change before the write. Waiting writers get in nearly in the order
 * they came (db.c). durable = true syncs the log at each commit: what was
 * acknowledged survives a loss of power; without it, a killed process only.
 * Layout: schema.c. sqlite.org/wal.html. */
#include "store.h"

#include <string.h>

static const hone_option options[] = {
    { .name = "path", .doc = "file, made where there is none; \":memory:\" keeps nothing",
      .type = HONE_OPTION_PATH, .flags = HONE_OPTION_REQUIRED,
      .offset = HONE_MEMBER_TEXT(struct store, path) },
    HONE_OPT_BOOL(struct store, durable, "durable", true,
                  "what is acknowledged survives a loss of power, too"),
    HONE_OPT_REAL(struct store, busy, "busy", 30, 0, 3600, "seconds to wait for other writers"),
    HONE_OPT_END
};

static int sqlite_init(void *self, hone_context *context, hone_error *err)
{
    struct store *s = self;
    int code;

    (void)context;
    s->db.path = s->path;
    s->db.busy = s->busy;
    code = db_open(&s->db, err);
    return code == HONE_OK ? store_schema(s, err) : code;
}

static void sqlite_close(void *self)
{
    struct store *s = self;

    if (s->db.batch && s->db.sql)
        sqlite3_exec(s->db.sql, "ROLLBACK", NULL, NULL, NULL);
    db_close(&s->db);
    json_decref(s->definition);
    s->definition = NULL;
}

static int sqlite_batch(void *self, hone_store_batch_step step, hone_error *err)
{
    struct store *s = self;
    int code;

    if (step == HONE_STORE_BEGIN && s->db.batch)
        return hone_fail(err, HONE_ESTATE, "a batch has begun already");
    if (step != HONE_STORE_BEGIN && !s->db.batch)
        return hone_fail(err, HONE_ESTATE, "no batch has begun");
    if (step == HONE_STORE_BEGIN) {
        code = db_begin(&s->db, true, err);
        s->db.batch = code == HONE_OK;
        return code;
    }
    s->db.batch = false;
    if (step == HONE_STORE_COMMIT)
        return db_end(&s->db, HONE_OK, err);
    json_decref(s->definition);
    s->definition = NULL;
    db_end(&s->db, HONE_ESTATE, NULL);
    return HONE_OK;
}

static int sqlite_end(struct store *s, int code, hone_error *err)
{
    code = db_end(&s->db, code, err);
    if (code != HONE_OK) { /* it may be of a version that was not kept */
        json_decref(s->definition);
        s->definition = NULL;
    }
    return code;
}

static int sqlite_call(struct store *s, bool writes, store_body *body, const hone_json *request,
                       hone_json **reply, hone_error *err)
{
    int code = db_begin(&s->db, writes, err);

    return code == HONE_OK ? sqlite_end(s, body(s, request, reply, err), err) : code;
}

#define OP(name, body, writes) \
    static int sqlite_##name(void *self, const hone_json *request, hone_json **reply, \
                             hone_error *err) \
    { \
        return sqlite_call(self, writes, body, request, reply, err); \
    }
OP(put_items, store_put_items, true)
OP(put_task, store_put_task, true)
OP(set_task, store_set_task, true)
OP(task, store_get_task, false)
OP(add, store_add, true)
OP(set_item, store_set_item, true)
OP(next, store_next, true)
OP(submit, store_submit, true)
OP(leave, store_leave, true)
OP(put_annotator, store_put_annotator, true)
OP(list, store_list, false)
OP(verify, store_verify, false)

static int sqlite_import(void *self, const char *task, double now, const hone_store_row *rows,
                         size_t count, hone_json **reply, hone_error *err)
{
    struct store *s = self;
    int code = db_begin(&s->db, true, err);

    if (code == HONE_OK)
        code = sqlite_end(s, store_import(s, task, now, rows, count, reply, err), err);
    return code;
}

/* The log of writes holds pages as they were: emptied, unless someone reads them now. */
static int sqlite_erase(void *self, const hone_json *request, hone_json **reply, hone_error *err)
{
    struct store *s = self;
    int code = sqlite_call(s, true, store_erase, request, reply, err);

    if (code == HONE_OK && !s->db.batch)
        sqlite3_wal_checkpoint_v2(s->db.sql, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return code;
}

static const hone_store_ops ops = {
    .size = sizeof ops, .init = sqlite_init, .close = sqlite_close, .batch = sqlite_batch,
    .put_items = sqlite_put_items, .put_task = sqlite_put_task, .set_task = sqlite_set_task,
    .task = sqlite_task, .add = sqlite_add, .set_item = sqlite_set_item, .next = sqlite_next,
    .submit = sqlite_submit, .leave = sqlite_leave, .import = sqlite_import,
    .put_annotator = sqlite_put_annotator, .erase = sqlite_erase, .list = sqlite_list,
    .verify = sqlite_verify,
};

HONE_PLUGIN(sqlite,
    .kind = "store", .version = "1.0", .threadsafe = true,
    .summary = "items, tasks and judgements in one SQLite file",
    .source = "sqlite.org/wal.html",
    .instance_size = sizeof(struct store), .options = options, .ops = &ops);

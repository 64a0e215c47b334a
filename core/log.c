/* log.c -- lines for people, to standard error unless a program says otherwise. */
#include "context.h"
#include "text.h"

#include <stdio.h>

enum { LOG_LINE = 4096 };

static void log_default(void *user, hone_log_level level, const char *line)
{
    static const char *const names[] = { "debug: ", "", "warning: ", "error: " };

    (void)user;
    fprintf(stderr, "hone: %s%s\n", names[level], line);
}

void hone_log(hone_context *context, hone_log_level level, const char *fmt, ...)
{
    char line[LOG_LINE];
    va_list args;

    if (level < context->log_level || level < HONE_LOG_DEBUG || level >= HONE_LOG_NONE)
        return;
    va_start(args, fmt);
    hone_vprint(line, sizeof line, fmt, args);
    va_end(args);
    pthread_mutex_lock(&context->log_mutex);
    (context->log_sink ? context->log_sink : log_default)(context->log_user, level, line);
    pthread_mutex_unlock(&context->log_mutex);
}

void hone_context_on_log(hone_context *context, hone_log_sink *sink, void *user)
{
    pthread_mutex_lock(&context->log_mutex);
    context->log_sink = sink;
    context->log_user = user;
    pthread_mutex_unlock(&context->log_mutex);
}

#include "worker/event.h"

#include <string.h>

#define DELTA_HEAD "{\"type\":\"delta\",\"text\":\""
#define DELTA_TAIL "\"}\n"
#define REPLACEMENT "\xEF\xBF\xBD"

/* The characters that JSON writes with two. */
static const char *escape_short(char c) {
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

/* One character of `text` as it stands between quotes; returns the bytes it took. */
static gsize escape_char(const char *text, const char *end, char ret[8]) {
    gsize size = MIN((gsize)g_utf8_skip[(guchar)*text], (gsize)(end - text));
    const char *known = escape_short(*text);

    if (known)
        g_strlcpy(ret, known, 8);
    else if (*text == '\0')
        g_strlcpy(ret, REPLACEMENT, 8);
    else if ((guchar)*text < 0x20)
        g_snprintf(ret, 8, "\\u%04x", (guint)*text);
    else {
        memcpy(ret, text, size);
        ret[size] = '\0';
    }
    return size;
}

void event_append_text(GString *line, const char *text, gsize size) {
    const char *end = text + size;
    char escaped[8];

    g_string_append_c(line, '"');
    while (text < end) {
        text += escape_char(text, end, escaped);
        g_string_append(line, escaped);
    }
    g_string_append_c(line, '"');
}

static void escape_append(GString *line, const char *text) {
    event_append_text(line, text, strlen(text));
}

/* One line with as much of the text as fits; returns where it stopped. */
static const char *delta_line(GString *lines, const char *text, const char *end) {
    gsize limit = lines->len + EVENT_SIZE_MAX - strlen(DELTA_TAIL);
    char escaped[8];

    g_string_append(lines, DELTA_HEAD);
    while (text < end) {
        gsize size = escape_char(text, end, escaped);
        if (lines->len + strlen(escaped) > limit) break;
        g_string_append(lines, escaped);
        text += size;
    }
    g_string_append(lines, DELTA_TAIL);
    return text;
}

void event_delta(GString *lines, const char *text, gsize size) {
    const char *end = text + size;

    while (text < end) text = delta_line(lines, text, end);
}

void event_progress(GString *lines, const char *stage, uint64_t done, uint64_t total) {
    g_string_append(lines, "{\"type\":\"progress\",");
    if (stage) {
        g_string_append(lines, "\"stage\":");
        escape_append(lines, stage);
        g_string_append_c(lines, ',');
    }
    g_string_append_printf(
        lines, "\"done\":%" G_GUINT64_FORMAT ",\"total\":%" G_GUINT64_FORMAT "}\n", done, total);
}

void event_requantised(GString *lines, const char *stage, const struct PackReport *report) {
    for (unsigned i = 0; i < report->n_changes; i++) {
        const struct PackChange *change = &report->changes[i];
        g_string_append_printf(lines,
                               "{\"type\":\"requantised\",\"stage\":\"%s\",\"from\":", stage);
        escape_append(lines, change->from);
        g_string_append(lines, ",\"to\":");
        escape_append(lines, change->to);
        g_string_append_printf(lines,
                               ",\"matrices\":%u,\"bytes_before\":%" G_GUINT64_FORMAT
                               ",\"bytes_after\":%" G_GUINT64_FORMAT ",\"worst_error\":%.6f}\n",
                               change->n_matrices, change->bytes_before, change->bytes_after,
                               MIN(change->worst_error, 1e6));
    }
}

static void usage_append(GString *line, const struct Usage *usage) {
    g_string_append_printf(line,
                           ",\"usage\":{\"prompt_tokens\":%u,\"cached_tokens\":%u,"
                           "\"completion_tokens\":%u,\"drafted_tokens\":%u,"
                           "\"accepted_tokens\":%u}",
                           usage->prompt_tokens, usage->cached_tokens, usage->completion_tokens,
                           usage->drafted_tokens, usage->accepted_tokens);
}

/* printf() writes numbers as JSON wants them: the process never calls setlocale(). */
static void timings_append(GString *line, const struct Timings *timings) {
    g_string_append_printf(line,
                           ",\"timings\":{\"queue_ms\":%.3f,\"prompt_ms\":%.3f,"
                           "\"generate_ms\":%.3f,\"prompt_per_second\":%.3f,"
                           "\"tokens_per_second\":%.3f}",
                           timings->queue_ms, timings->prompt_ms, timings->generate_ms,
                           timings->prompt_per_second, timings->tokens_per_second);
}

void event_done(GString *lines, const char *finish_reason, const struct Usage *usage,
                const struct Timings *timings, const struct Failure *failure) {
    g_string_append(lines, "{\"type\":\"done\",\"finish_reason\":");
    escape_append(lines, finish_reason);
    if (usage) usage_append(lines, usage);
    if (timings) timings_append(lines, timings);
    if (failure && failure->name) {
        g_string_append(lines, ",\"error\":{\"name\":");
        escape_append(lines, failure->name);
        g_string_append(lines, ",\"message\":");
        escape_append(lines, failure->message);
        g_string_append(lines, "}");
    }
    g_string_append(lines, "}\n");
}

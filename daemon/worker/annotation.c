#include "worker/annotation.h"

#include <string.h>

#include "engine/text/tokenizer.h"
#include "worker/event.h"

struct Annotation {
    guint64 start;
    struct Logprobs logprobs;
};

struct Annotations {
    const Tokenizer *tokenizer;
    unsigned n_top;
    GQueue waiting;
    guint64 n_said; /* bytes of text */
};

Annotations *annotations_new(const Tokenizer *tokenizer, unsigned n_top) {
    Annotations *self = g_new0(Annotations, 1);
    self->tokenizer = tokenizer;
    self->n_top = n_top;
    g_queue_init(&self->waiting);
    return self;
}

void annotations_free(Annotations *self) {
    if (!self) return;
    g_queue_clear_full(&self->waiting, g_free);
    g_free(self);
}

void annotations_add(Annotations *self, const float *logits, uint32_t n_vocab, Token token,
                     guint64 start) {
    struct Annotation *annotation = g_new(struct Annotation, 1);
    annotation->start = start;
    logprobs_find(logits, n_vocab, token, self->n_top, &annotation->logprobs);
    g_queue_push_tail(&self->waiting, annotation);
}

/* Where the text of the token after the first waiting one begins. */
static guint64 second_start(const Annotations *self, guint64 end) {
    const struct Annotation *second = g_queue_peek_nth((GQueue *)&self->waiting, 1);
    return second && second->start < end ? second->start : end;
}

void annotations_say(Annotations *self, const char *text, gsize size, GString *lines) {
    guint64 end = self->n_said + size;
    struct Annotation *first = g_queue_peek_head(&self->waiting);
    if (!first || first->start >= end) {
        event_delta(lines, text, size);
        self->n_said = end;
        return;
    }
    gsize n = first->start > self->n_said ? (gsize)(first->start - self->n_said) : 0;
    event_delta(lines, text, n); /* the rest of a token that was told */
    while (first && first->start < end) {
        gsize next = size - (gsize)(end - second_start(self, end));
        event_token(lines, text + n, next - n, self->tokenizer, &first->logprobs);
        n = next;
        g_free(g_queue_pop_head(&self->waiting));
        first = g_queue_peek_head(&self->waiting);
    }
    self->n_said = end;
}

void annotations_finish(Annotations *self, GString *lines) {
    struct Annotation *annotation;
    while ((annotation = g_queue_pop_head(&self->waiting))) {
        event_token(lines, "", 0, self->tokenizer, &annotation->logprobs);
        g_free(annotation);
    }
}

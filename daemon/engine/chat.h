/*
 * Chat templates: messages to a prompt. The model's own template decides; here known families of
 * templates are recognised by their markers (Llama 3, ChatML, BitNet 2B-4T, Llama 2, Zephyr, the
 * embedded model's `<|user|>`), and any other is refused with a reason. A file without a template
 * has no chat form either: -ENOTSUP.
 */
#pragma once

#include <stddef.h>

#include "engine/reason.h"

struct ChatMessage {
    const char *role;    /* "system", "user", "assistant" */
    const char *content; /* UTF-8 */
};

/* Renders with the generation prompt at the end. `*ret` is malloc()ed, NUL-terminated, to be
 * tokenised by chat_encode's rules: see below. -EINVAL: a role that the template does not know;
 * -ENOTSUP: unknown template. */
struct ChatPiece {
    char *text;
    size_t size;
    int special; /* 1: template text, may hold control tokens; 0: a person's words, must not be
                    parsed for them */
};
/* The prompt as pieces, so that "<|end|>" in a user's message stays text. Freed with
 * chat_pieces_free(). */
int chat_render(const char *chat_template, const struct ChatMessage *messages, size_t n_messages,
                struct ChatPiece **ret, size_t *ret_n, Reason *why);
void chat_pieces_free(struct ChatPiece *pieces, size_t n);

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

struct ChatPiece {
    char *text; /* NUL-terminated */
    size_t size;
    int special; /* 1: names of control tokens; 0: words, which must not be parsed for them */
};

/* The prompt, with the generation prompt at the end, as pieces, so that "<|end|>" in a person's
 * message stays text. Words of the template and of messages that stand together are one piece: the
 * tokens are those of the whole. Pieces are tokenised in order, the first with TOKENIZE_BOS (no
 * piece names the BOS at the start of a text), the others with TOKENIZE_MIDDLE, special ones with
 * TOKENIZE_SPECIAL. `*ret` is freed with chat_pieces_free().
 *
 * -ENOTSUP: no template, or an unknown one; -EINVAL: no messages, or a role that no template knows
 * (a role that this template leaves out, as some do with "system", leaves nothing); -EFBIG: past a
 * limit of limits.h. */
int chat_render(const char *chat_template, const struct ChatMessage *messages, size_t n_messages,
                struct ChatPiece **ret, size_t *ret_n, Reason *why);
void chat_pieces_free(struct ChatPiece *pieces, size_t n);

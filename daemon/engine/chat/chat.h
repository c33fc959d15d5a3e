/*
 * Chat templates: messages to a prompt. The model's own Jinja template decides, run by an
 * interpreter of jinja2's language as Hugging Face sets it up for chat templates (trim_blocks,
 * lstrip_blocks, break and continue, generation blocks, tojson, raise_exception, strftime_now) in
 * the limits of limits.h. A file may also name a form that is built in ("chatml", see
 * builtin-templates.c).
 *
 * Trust: each byte of the prompt is known to come from the template or from the caller, through
 * whatever the template does with it, so "<|im_end|>" in a person's message stays text.
 */
#pragma once

#include <time.h>

#include "engine/chat/value.h"
#include "engine/reason.h"

/* A parsed template: immutable, any thread may render it. */
typedef struct ChatTemplate ChatTemplate;

/* `source`: Jinja, or the name of a built-in form. It is copied. -ENOTSUP: empty; -EINVAL: `why`
 * names line and construct; -EFBIG: past a limit; -ENOMEM. */
int chat_template_new(const char *source, ChatTemplate **ret, Reason *why);
ChatTemplate *chat_template_free(ChatTemplate *chat_template); /* accepts NULL */

/* The name of the built-in form for models of this architecture whose files bring no template; NULL
 * for those that only continue text. */
const char *chat_template_default(const char *architecture);
/* The Jinja text of a built-in form; NULL. */
const char *chat_template_builtin(const char *name);

/* What a template is rendered with. Values live in an arena of the caller's, with
 * TEMPLATE_MAX_MEMORY as its limit; zeroed members are absent. */
struct ChatInput {
    const struct Arena *arena; /* whose error is the rendering's */
    Value messages;            /* list of dicts: role, content (text, list of parts, or None),
                                  tool_calls, … */
    Value tools;               /* list of dicts, or absent: None */
    Value variables;           /* dict of more variables (enable_thinking), which win; or absent */
    bool add_generation_prompt;
    /* Names of control tokens, for bos_token and so on; NULL: undefined */
    const char *bos_token, *eos_token, *pad_token, *unk_token;
    const struct tm *now; /* for strftime_now(), local; NULL: the present */
};

/* One message's member `name` (see ChatInput) in the arena, of what a caller wrote. A role that
 * templates know is trusted: many make control tokens of it ('<|' + role + '|>'). */
void chat_message_set(struct Arena *arena, struct Dict *message, const char *name,
                      const char *text);

struct ChatPiece {
    char *text; /* NUL-terminated; may have other NULs */
    size_t size;
    int special; /* 1: the template's, may name control tokens; 0: the caller's, must not be parsed
                    for them */
};

/* The prompt as pieces, neighbours of different kinds; none for an empty prompt. Its tokens are
 * those of the whole text, in which control tokens are found only within special pieces
 * (tokenizer_encode_parts()). `*ret` is freed with chat_pieces_free().
 *
 * -EINVAL: the template refuses (its own words), or fails, with the line; no messages; -EFBIG: past
 * a limit of limits.h; -ENOMEM. */
int chat_template_render(const ChatTemplate *chat_template, const struct ChatInput *input,
                         struct ChatPiece **ret, size_t *ret_n, Reason *why);
void chat_pieces_free(struct ChatPiece *pieces, size_t n);

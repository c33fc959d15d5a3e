/*
 * The JSON of POST /v1/chat/completions, /v1/completions and /apply-template, read into what the
 * service understands. One table of fields: those that are understood, and those that would silently
 * change the meaning of an answer if they were ignored, which are refused ("not supported"). Any
 * other field is ignored, and null is the same as absent.
 *
 *     both:        model, stream, stream_options.include_usage, n (1 to 8), max_tokens,
 *                  temperature, top_p, seed, stop, presence_penalty, frequency_penalty,
 *                  top_k, min_p, repeat_penalty, repeat_last_n, ignore_eos, logit_bias (OpenAI's
 *                  object or llama.cpp's pairs), n_probs, and all the samplers of llama.cpp by its
 *                  names: typical_p, top_n_sigma, min_keep, xtc_*, dry_*, dynatemp_*, mirostat*,
 *                  samplers; response_format (text, json_object, json_schema), grammar (GBNF),
 *                  json_schema
 *     chat:        logprobs (true), top_logprobs; messages (openai-message.h),
 *                  max_completion_tokens; tools, tool_choice (none or auto), chat_template_kwargs
 *                  and add_generation_prompt, for the model's chat template. A tool call in the
 *                  answer stays text: message.content has it as the model writes it
 *     template:    messages and what is for the template; model may be absent (/apply-template)
 *     completions: logprobs (0 to 20); prompt (a string or up to 8 of them)
 *
 * At most 8 answers are given to one request: n for each prompt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "service/service.h"

enum OpenaiKind { OPENAI_CHAT, OPENAI_COMPLETION, OPENAI_TEMPLATE };

struct OpenaiRequest {
    char *model;              /* as the caller wrote it */
    struct Message *messages; /* of a chat; strings owned */
    size_t n_messages;
    char **prompts; /* of a completion; NULL-terminated */
    size_t n_prompts;
    unsigned n; /* answers to each prompt */
    bool stream, include_usage;
    bool no_tools; /* tool_choice is none */
    struct GenerateOptions options;
    const char *constraint_field; /* the field that set grammar or json_schema, or NULL */
};

/* `param` names the field at fault, or is empty. */
struct OpenaiFault {
    Problem problem;
    char param[96];
};

/* Returns -1 with `fault` filled. openai_request_done() what was read. */
int openai_request_parse(enum OpenaiKind kind, const char *body, size_t size,
                         struct OpenaiRequest *ret, struct OpenaiFault *fault);
void openai_request_done(struct OpenaiRequest *request);

/*
 * What the event stream says about tokens (org.ryzenllm1.Manager.xml, "logprobs"), in the two
 * shapes that OpenAI's API has for it. One OpenaiLogprobs gathers the tokens of one answer: those
 * that came in several events are put together, and each knows where in the answer its text begins.
 *
 *     chat         {"content":[{"token","logprob","bytes","top_logprobs":[the
 * same]}],"refusal":null} completions  {"tokens","token_logprobs","top_logprobs":[{token:
 * logprob}],"text_offset"}
 *
 * Where a token is not whole characters, chat has U+FFFD in its text and the bytes beside it, and
 * completions "bytes:\\xe2\\x82", as OpenAI has it.
 */
#pragma once

#include <json-glib/json-glib.h>

typedef struct OpenaiLogprobs OpenaiLogprobs;

OpenaiLogprobs *openai_logprobs_new(void);
OpenaiLogprobs *openai_logprobs_free(OpenaiLogprobs *logprobs); /* returns NULL */

/* A delta of this text and these tokens, which may be NULL. What is not as it should be is left
 * out. */
void openai_logprobs_add(OpenaiLogprobs *logprobs, const char *text, JsonArray *tokens);
/* Bytes that are kept until they are taken. */
gsize openai_logprobs_size(const OpenaiLogprobs *logprobs);
/* What was added since the last time; the caller's. NULL: nothing. */
JsonNode *openai_logprobs_take_chat(OpenaiLogprobs *logprobs);
JsonNode *openai_logprobs_take_completion(OpenaiLogprobs *logprobs);

/* Answers in OpenAI's dialect, member by member: clients are strict about null and absent. */
#include "api/openai-answer.h"

#include "fake-service.h"
#include "test.h"

static struct OpenaiAnswer fixed(const struct OpenaiDialect *dialect) {
    return (struct OpenaiAnswer){.dialect = dialect,
                                 .id = (char *)"ID",
                                 .model = (char *)"M",
                                 .fingerprint = (char *)"F",
                                 .created = 5};
}

/* Takes `node`. */
static void check_json(JsonNode *node, const char *expected) {
    g_autofree char *text = json_to_string(node, FALSE);
    CHECK_STR(text, expected);
    json_node_unref(node);
}

static const struct Usage usage = {.prompt_tokens = 10,
                                   .cached_tokens = 4,
                                   .completion_tokens = 6,
                                   .drafted_tokens = 3,
                                   .accepted_tokens = 2};

#define USAGE                                                                                      \
    "{\"prompt_tokens\":10,\"completion_tokens\":6,\"total_tokens\":16,"                           \
    "\"prompt_tokens_details\":{\"cached_tokens\":4,\"audio_tokens\":0},"                          \
    "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"                    \
    "\"accepted_prediction_tokens\":2,\"rejected_prediction_tokens\":1}}"
#define HEAD(object)                                                                               \
    "{\"id\":\"ID\",\"object\":\"" object                                                          \
    "\",\"created\":5,\"model\":\"M\",\"system_fingerprint\":\"F\","
#define END(finish) "\"logprobs\":null,\"finish_reason\":" finish

static JsonArray *one_choice(const struct OpenaiAnswer *answer) {
    JsonArray *choices = json_array_new();
    json_array_add_object_element(
        choices, openai_choice(answer, 0, "a \"b\"\n\xc3\xa9", NULL, FINISH_LENGTH));
    return choices;
}

static void whole_chat(void) {
    struct OpenaiAnswer answer = fixed(&openai_chat);
    check_json(openai_answer_node(&answer, one_choice(&answer), &usage),
               HEAD("chat.completion") "\"choices\":[{\"message\":{\"role\":\"assistant\","
                                       "\"content\":\"a "
                                       "\\\"b\\\"\\n\xc3\xa9\",\"refusal\":null},\"index\":0," END(
                                           "\"length\"") "}],\"usage\":" USAGE "}");
}

static void whole_completion(void) {
    struct OpenaiAnswer answer = fixed(&openai_completion);
    check_json(openai_answer_node(&answer, one_choice(&answer), &usage),
               HEAD("text_completion") "\"choices\":[{\"text\":\"a \\\"b\\\"\\n\xc3\xa9\","
                                       "\"index\":0," END("\"length\"") "}],\"usage\":" USAGE "}");
}

static void chat_chunks(void) {
    struct OpenaiAnswer answer = fixed(&openai_chat);
    check_json(openai_opening_chunk(&answer, 1, false),
               HEAD("chat.completion.chunk") "\"choices\":[{\"delta\":{\"role\":\"assistant\","
                                             "\"content\":\"\",\"refusal\":null},\"index\":1," END(
                                                 "null") "}]}");
    check_json(openai_delta_chunk(&answer, 0, "x", NULL, true),
               HEAD("chat.completion.chunk") "\"choices\":[{\"delta\":{\"content\":\"x\"},"
                                             "\"index\":0," END("null") "}],\"usage\":null}");
    check_json(openai_last_chunk(&answer, 0, FINISH_STOP, false),
               HEAD("chat.completion.chunk") "\"choices\":[{\"delta\":{},\"index\":0," END(
                   "\"stop\"") "}]}");
    check_json(openai_usage_chunk(&answer, &usage),
               HEAD("chat.completion.chunk") "\"choices\":[],\"usage\":" USAGE "}");
}

static void completion_chunks(void) {
    struct OpenaiAnswer answer = fixed(&openai_completion);
    check_json(
        openai_delta_chunk(&answer, 0, "x", NULL, false),
        HEAD("text_completion") "\"choices\":[{\"text\":\"x\",\"index\":0," END("null") "}]}");
    check_json(openai_last_chunk(&answer, 2, FINISH_STOP, true),
               HEAD("text_completion") "\"choices\":[{\"text\":\"\",\"index\":2," END(
                   "\"stop\"") "}],\"usage\":null}");
}

/* More accepted than drafted can't be, but must not become 2^64. */
static void usage_never_wraps(void) {
    struct OpenaiAnswer answer = fixed(&openai_chat);
    struct Usage strange = {.accepted_tokens = 5};
    g_autoptr(JsonNode) node = openai_usage_chunk(&answer, &strange);
    g_autofree char *text = json_to_string(node, FALSE);
    CHECK(strstr(text, "\"rejected_prediction_tokens\":0"));
}

static void identity(void) {
    Service *service = fake_service_new();
    struct OpenaiAnswer one, two;
    openai_answer_init(&one, &openai_chat, fake_service_model(service, "echo"));
    openai_answer_init(&two, &openai_completion, fake_service_model(service, "echo"));
    CHECK(g_str_has_prefix(one.id, "chatcmpl-"));
    CHECK(g_str_has_prefix(two.id, "cmpl-"));
    CHECK(strcmp(strchr(one.id, '-'), strchr(two.id, '-')) != 0);
    CHECK_STR(one.fingerprint, "fp_0123456789ab");
    CHECK(one.created > 1700000000);
    openai_answer_done(&one);
    openai_answer_done(&two);
    CHECK(openai_find_model(service, "default") == service_default_model(service));
    CHECK(!openai_find_model(service, ""));
    CHECK(!openai_find_model(service, "nope"));
    service_free(service);
}

int main(void) {
    return TEST_MAIN({"whole-chat", whole_chat}, {"whole-completion", whole_completion},
                     {"chat-chunks", chat_chunks}, {"completion-chunks", completion_chunks},
                     {"usage-never-wraps", usage_never_wraps}, {"identity", identity});
}

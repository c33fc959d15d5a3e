/* Requests in OpenAI's dialect: what is understood, what is refused and which field is blamed. */
#include "api/openai-request.h"

#include "api/limits.h"
#include "test.h"

#include <glib.h>

#define MESSAGES "\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define PROMPT "\"model\":\"m\",\"prompt\":\"hi\""

static int parse(enum OpenaiKind kind, const char *body, struct OpenaiRequest *request,
                 struct OpenaiFault *fault) {
    return openai_request_parse(kind, body, strlen(body), request, fault);
}

static void reads_chat(void) {
    struct OpenaiRequest request;
    struct OpenaiFault fault;
    REQUIRE(parse(OPENAI_CHAT,
                  "{\"model\":\"m\",\"messages\":["
                  "{\"role\":\"developer\",\"content\":\"be kind\",\"name\":\"boss\"},"
                  "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
                  "{\"type\":\"text\",\"text\":\"b\"}]},"
                  "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":null},"
                  "{\"role\":\"user\",\"content\":[]}],"
                  "\"n\":3,\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                  "\"max_tokens\":5,\"max_completion_tokens\":9,\"temperature\":1,\"top_p\":0.5,"
                  "\"seed\":-1,\"stop\":[\"x\",\"\\n\"],\"presence_penalty\":-2,"
                  "\"frequency_penalty\":2,\"top_k\":7,\"min_p\":0.25,\"repeat_penalty\":1.5,"
                  "\"repeat_last_n\":3,\"ignore_eos\":true,\"user\":\"u\",\"metadata\":{\"a\":[1]},"
                  "\"store\":false,\"logit_bias\":{},\"tools\":[],\"tool_choice\":\"none\","
                  "\"response_format\":{\"type\":\"text\"},\"logprobs\":false,"
                  "\"modalities\":[\"text\"],\"unheard_of\":{\"x\":1}}",
                  &request, &fault) == 0);
    CHECK_STR(request.model, "m");
    CHECK_INT(request.n_messages, 4);
    CHECK_STR(request.messages[0].role, "system");
    CHECK_STR(request.messages[1].content, "a\nb");
    CHECK_STR(request.messages[2].content, "");
    CHECK_STR(request.messages[3].content, "");
    CHECK_INT(request.n, 3);
    CHECK(request.stream);
    CHECK(request.include_usage);
    CHECK_INT(request.options.max_tokens, 9);
    CHECK_NEAR(request.options.temperature, 1, 0);
    CHECK_NEAR(request.options.top_p, 0.5, 0);
    CHECK(request.options.seed == UINT64_MAX);
    CHECK_STR(request.options.stop[1], "\n");
    CHECK_NEAR(request.options.presence_penalty, -2, 0);
    CHECK_NEAR(request.options.frequency_penalty, 2, 0);
    CHECK_INT(request.options.top_k, 7);
    CHECK_NEAR(request.options.min_p, 0.25, 0);
    CHECK_NEAR(request.options.repeat_penalty, 1.5, 0);
    CHECK_INT(request.options.repeat_last_n, 3);
    CHECK(request.options.ignore_eos);
    openai_request_done(&request);
}

static void reads_completion(void) {
    struct OpenaiRequest request;
    struct OpenaiFault fault;
    REQUIRE(parse(OPENAI_COMPLETION,
                  "{\"model\":\"m\",\"prompt\":[\"a\",\"\"],\"n\":4,\"stop\":\"x\",\"best_of\":1,"
                  "\"echo\":false,\"suffix\":null,\"logprobs\":null,\"temperature\":null}",
                  &request, &fault) == 0);
    CHECK_INT(request.n_prompts, 2);
    CHECK_STR(request.prompts[1], "");
    CHECK_STR(request.options.stop[0], "x");
    CHECK(!options_is_set(&request.options, "temperature"));
    CHECK_NEAR(request.options.temperature, 0.8, 0); /* D-Bus's default, not OpenAI's */
    openai_request_done(&request);
}

static void reads_samplers(void) {
    struct OpenaiRequest request;
    struct OpenaiFault fault;
    REQUIRE(parse(OPENAI_CHAT,
                  "{" MESSAGES ",\"samplers\":[\"top_k\",\"xtc\"],\"dry_multiplier\":0.8,"
                  "\"dry_sequence_breakers\":[],\"dry_penalty_last_n\":-1,\"mirostat\":2,"
                  "\"logit_bias\":{\"7\":-100,\"9\":1.5},\"logprobs\":true,\"top_logprobs\":3}",
                  &request, &fault) == 0);
    CHECK_STR(request.options.samplers[1], "xtc");
    CHECK(options_is_set(&request.options, "dry_sequence_breakers"));
    CHECK(!request.options.dry_sequence_breakers);
    CHECK_INT(request.options.dry_penalty_last_n, 1 << 20);
    CHECK_INT(request.options.mirostat, 2);
    REQUIRE(request.options.logit_bias && request.options.logit_bias->n == 2);
    CHECK_INT(request.options.logit_bias->biases[1].token, 9);
    CHECK_NEAR(request.options.logit_bias->biases[1].bias, 1.5, 0);
    CHECK_INT(request.options.logprobs, 3);
    openai_request_done(&request);

    REQUIRE(parse(OPENAI_COMPLETION,
                  "{" PROMPT ",\"logit_bias\":[[3,false],[4,2]],\"logprobs\":0,\"n_probs\":0}",
                  &request, &fault) == 0);
    CHECK(request.options.logit_bias->biases[0].bias == -INFINITY);
    CHECK(options_is_set(&request.options, "logprobs"));
    CHECK_INT(request.options.logprobs, 0);
    openai_request_done(&request);

    REQUIRE(parse(OPENAI_CHAT, "{" MESSAGES ",\"logprobs\":false,\"top_logprobs\":0}", &request,
                  &fault) == 0);
    CHECK(!options_is_set(&request.options, "logprobs"));
    openai_request_done(&request);
}

struct Bad {
    enum OpenaiKind kind;
    const char *body, *param;
    enum ProblemKind problem;
};

static void check_bad(const struct Bad *bad, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct OpenaiRequest request;
        struct OpenaiFault fault;
        if (parse(bad[i].kind, bad[i].body, &request, &fault) == 0) {
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[i].body);
            openai_request_done(&request);
            continue;
        }
        if (strcmp(fault.param, bad[i].param) != 0 || fault.problem.kind != bad[i].problem ||
            !fault.problem.text[0])
            test_fail(__FILE__, __LINE__, "%s: %s (%d) \"%s\"", bad[i].body, fault.param,
                      (int)fault.problem.kind, fault.problem.text);
    }
}

#define WRONG PROBLEM_INVALID_ARGUMENT
#define CHAT(body, param)                                                                          \
    { OPENAI_CHAT, "{" MESSAGES "," body "}", param, WRONG }
#define COMPLETION(body, param)                                                                    \
    { OPENAI_COMPLETION, "{" PROMPT "," body "}", param, WRONG }
#define MESSAGE(body, param)                                                                       \
    { OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[" body "]}", param, WRONG }

static void blames_the_field(void) {
    static const struct Bad bad[] = {
        {OPENAI_CHAT, "[]", "", WRONG},
        {OPENAI_CHAT, "{]", "", WRONG},
        {OPENAI_CHAT, "null", "", WRONG},
        {OPENAI_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"\"}]}", "model", WRONG},
        {OPENAI_CHAT, "{\"model\":\"m\"}", "messages", WRONG},
        {OPENAI_CHAT, "{\"model\":\"m\",\"messages\":null}", "messages", WRONG},
        {OPENAI_CHAT, "{\"model\":\"m\",\"messages\":\"hi\"}", "messages", WRONG},
        {OPENAI_CHAT, "{\"model\":7,\"messages\":[]}", "model", WRONG},
        {OPENAI_CHAT, "{\"model\":\"\",\"messages\":[]}", "model", WRONG},
        {OPENAI_COMPLETION, "{\"model\":\"m\"}", "prompt", WRONG},
        {OPENAI_COMPLETION, "{\"model\":\"m\",\"prompt\":[]}", "prompt", WRONG},
        {OPENAI_COMPLETION, "{\"model\":\"m\",\"prompt\":{}}", "prompt", WRONG},
        {OPENAI_COMPLETION, "{\"model\":\"m\",\"prompt\":true}", "prompt", WRONG},
        {OPENAI_COMPLETION, "{\"model\":\"m\",\"prompt\":[\"a\",null]}", "prompt", WRONG},
        {OPENAI_COMPLETION,
         "{\"model\":\"m\",\"prompt\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
         "prompt", WRONG},
        {OPENAI_COMPLETION, "{\"model\":\"m\",\"prompt\":[\"1\",\"2\",\"3\"],\"n\":3}", "n", WRONG},
        MESSAGE("", "messages"),
        MESSAGE("1", "messages[0]"),
        MESSAGE("{}", "messages[0].role"),
        MESSAGE("{\"role\":null,\"content\":\"\"}", "messages[0].role"),
        MESSAGE("{\"role\":\"user\"}", "messages[0].content"),
        MESSAGE("{\"role\":\"user\",\"content\":null}", "messages[0].content"),
        MESSAGE("{\"role\":\"user\",\"content\":1}", "messages[0].content"),
        MESSAGE("{\"role\":\"user\",\"content\":\"\"},{\"role\":\"user\",\"content\":{}}",
                "messages[1].content"),
        MESSAGE("{\"role\":\"user\",\"content\":[\"x\"]}", "messages[0].content"),
        MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}", "messages[0].content"),
        CHAT("\"n\":0", "n"),
        CHAT("\"n\":9", "n"),
        CHAT("\"n\":1.5", "n"),
        CHAT("\"n\":\"1\"", "n"),
        CHAT("\"stream\":1", "stream"),
        CHAT("\"stream\":\"true\"", "stream"),
        CHAT("\"stream_options\":true", "stream_options"),
        CHAT("\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage"),
        CHAT("\"max_tokens\":0", "max_tokens"),
        CHAT("\"max_tokens\":-1", "max_tokens"),
        CHAT("\"max_tokens\":1.5", "max_tokens"),
        CHAT("\"max_tokens\":4294967296", "max_tokens"),
        CHAT("\"max_tokens\":99999999999999999999", "max_tokens"),
        CHAT("\"max_completion_tokens\":0", "max_completion_tokens"),
        CHAT("\"temperature\":2.1", "temperature"),
        CHAT("\"temperature\":-0.1", "temperature"),
        CHAT("\"temperature\":1e999", "temperature"),
        CHAT("\"temperature\":true", "temperature"),
        CHAT("\"temperature\":\"hot\"", "temperature"),
        CHAT("\"temperature\":[1]", "temperature"),
        CHAT("\"top_p\":1.01", "top_p"),
        CHAT("\"presence_penalty\":3", "presence_penalty"),
        CHAT("\"seed\":1.5", "seed"),
        CHAT("\"seed\":\"1\"", "seed"),
        CHAT("\"stop\":1", "stop"),
        CHAT("\"stop\":\"\"", "stop"),
        CHAT("\"stop\":[\"a\",1]", "stop"),
        CHAT("\"stop\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", "stop"),
        CHAT("\"ignore_eos\":1", "ignore_eos"),
        COMPLETION("\"top_k\":-1", "top_k"),
        CHAT("\"typical_p\":1.1", "typical_p"),
        CHAT("\"dry_base\":0.5", "dry_base"),
        CHAT("\"dry_penalty_last_n\":-2", "dry_penalty_last_n"),
        CHAT("\"dry_sequence_breakers\":[\"\"]", "dry_sequence_breakers"),
        CHAT("\"mirostat\":3", "mirostat"),
        CHAT("\"samplers\":[\"top_q\"]", "samplers"),
        CHAT("\"samplers\":7", "samplers"),
        CHAT("\"logit_bias\":{\"5\":101}", "logit_bias"),
        CHAT("\"logit_bias\":{\"five\":1}", "logit_bias"),
        CHAT("\"logit_bias\":{\"-1\":1}", "logit_bias"),
        CHAT("\"logit_bias\":{\"5\":true}", "logit_bias"),
        CHAT("\"logit_bias\":[[5]]", "logit_bias"),
        CHAT("\"logit_bias\":[[5,-1e999]]", "logit_bias"),
        CHAT("\"logit_bias\":3", "logit_bias"),
        CHAT("\"logprobs\":1", "logprobs"),
        CHAT("\"top_logprobs\":2", "top_logprobs"),
        CHAT("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs"),
        COMPLETION("\"logprobs\":21", "logprobs"),
        COMPLETION("\"logprobs\":true", "logprobs"),
        COMPLETION("\"n_probs\":-1", "n_probs"),
    };
    check_bad(bad, G_N_ELEMENTS(bad));
}

static void reads_constraints(void) {
    static const struct {
        const char *field, *grammar, *schema, *named;
    } CASES[] = {
        {"\"grammar\":\"root ::= x\"", "root ::= x", NULL, "grammar"},
        {"\"grammar\":\"\"", NULL, NULL, NULL},
        {"\"json_schema\":{\"b\":1,\"a\":2}", NULL, "{\"b\":1,\"a\":2}", "json_schema"},
        {"\"response_format\":{\"type\":\"text\"}", NULL, NULL, NULL},
        {"\"response_format\":{\"type\":\"json_object\"}", NULL, "{\"type\":\"object\"}",
         "response_format"},
        {"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
         "\"schema\":{\"type\":\"null\"},\"strict\":true}}",
         NULL, "{\"type\":\"null\"}", "response_format"},
        {"\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"null\"}}", NULL,
         "{\"type\":\"null\"}", "response_format"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++) {
        g_autofree char *body = g_strdup_printf("{" PROMPT ",%s}", CASES[i].field);
        struct OpenaiRequest request;
        struct OpenaiFault fault;
        int r = openai_request_parse(OPENAI_COMPLETION, body, strlen(body), &request, &fault);
        if (r < 0) test_fail(__FILE__, __LINE__, "%s: %s", body, fault.problem.text);
        if (r < 0) continue;
        if (g_strcmp0(request.options.grammar, CASES[i].grammar) != 0 ||
            g_strcmp0(request.options.json_schema, CASES[i].schema) != 0 ||
            g_strcmp0(request.constraint_field, CASES[i].named) != 0)
            test_fail(__FILE__, __LINE__, "%s: grammar %s, schema %s, of %s", body,
                      request.options.grammar, request.options.json_schema,
                      request.constraint_field);
        openai_request_done(&request);
    }
}

#define BAD_CHAT(body, param)                                                                      \
    { OPENAI_CHAT, "{" MESSAGES "," body "}", param, PROBLEM_INVALID_ARGUMENT }

static void refuses_wrong_constraints(void) {
    static const struct Bad bad[] = {
        BAD_CHAT("\"response_format\":\"text\"", "response_format"),
        BAD_CHAT("\"response_format\":{}", "response_format.type"),
        BAD_CHAT("\"response_format\":{\"type\":\"json_schema\"}",
                 "response_format.json_schema.schema"),
        BAD_CHAT("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":1}}",
                 "response_format.json_schema.schema"),
        BAD_CHAT("\"grammar\":1", "grammar"),
        BAD_CHAT("\"json_schema\":\"x\"", "json_schema"),
        BAD_CHAT("\"grammar\":\"root ::= x\",\"json_schema\":{}", "json_schema"),
        BAD_CHAT("\"grammar\":\"x\",\"response_format\":{\"type\":\"json_object\"}",
                 "response_format"),
    };
    check_bad(bad, G_N_ELEMENTS(bad));
}

#define NOT_CHAT(body, param)                                                                      \
    { OPENAI_CHAT, "{" MESSAGES "," body "}", param, PROBLEM_NOT_SUPPORTED }
#define NOT_COMPLETION(body, param)                                                                \
    { OPENAI_COMPLETION, "{" PROMPT "," body "}", param, PROBLEM_NOT_SUPPORTED }
#define NOT_MESSAGE(body, param)                                                                   \
    { OPENAI_CHAT, "{\"model\":\"m\",\"messages\":[" body "]}", param, PROBLEM_NOT_SUPPORTED }

static void refuses_what_it_lacks(void) {
    static const struct Bad bad[] = {
        NOT_CHAT("\"tool_choice\":\"required\"", "tool_choice"),
        NOT_CHAT("\"tool_choice\":{\"type\":\"function\"}", "tool_choice"),
        NOT_CHAT("\"functions\":[{}]", "functions"),
        NOT_CHAT("\"response_format\":{\"type\":\"xml\"}", "response_format.type"),
        NOT_CHAT("\"audio\":{}", "audio"),
        NOT_CHAT("\"logit_bias\":[[\"five\",1]]", "logit_bias"),
        NOT_CHAT("\"modalities\":[\"text\",\"audio\"]", "modalities"),
        NOT_COMPLETION("\"best_of\":2", "best_of"),
        NOT_COMPLETION("\"echo\":true", "echo"),
        NOT_COMPLETION("\"suffix\":\"x\"", "suffix"),
        {OPENAI_COMPLETION, "{\"model\":\"m\",\"prompt\":[1,2]}", "prompt", PROBLEM_NOT_SUPPORTED},
        {OPENAI_COMPLETION, "{\"model\":\"m\",\"prompt\":[[1]]}", "prompt", PROBLEM_NOT_SUPPORTED},
        NOT_MESSAGE("{\"role\":\"wizard\",\"content\":\"\"}", "messages[0].role"),
        NOT_MESSAGE("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}",
                    "messages[0].content"),
        NOT_MESSAGE("{\"role\":\"assistant\",\"content\":\"\",\"function_call\":{}}",
                    "messages[0]"),
    };
    check_bad(bad, G_N_ELEMENTS(bad));
}

#define CALL "{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"

static void reads_tools(void) {
    struct OpenaiRequest request;
    struct OpenaiFault fault;
    REQUIRE(parse(OPENAI_CHAT,
                  "{\"model\":\"m\",\"messages\":["
                  "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL "],"
                  "\"reasoning_content\":\"hm\"},"
                  "{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":\"1\",\"name\":\"f\"}],"
                  "\"tools\":[{\"a\":1}],\"tool_choice\":\"auto\","
                  "\"chat_template_kwargs\":{\"b\":false},\"add_generation_prompt\":false}",
                  &request, &fault) == 0);
    CHECK(!request.messages[0].content);
    CHECK_STR(request.messages[0].tool_calls, "[" CALL "]");
    CHECK_STR(request.messages[0].reasoning_content, "hm");
    CHECK_STR(request.messages[1].role, "tool");
    CHECK_STR(request.messages[1].tool_call_id, "1");
    CHECK_STR(request.messages[1].name, "f");
    CHECK_STR(request.options.tools, "[{\"a\":1}]");
    CHECK_STR(request.options.chat_template_kwargs, "{\"b\":false}");
    CHECK(!request.options.add_generation_prompt);
    openai_request_done(&request);

    /* the model is not told of tools that it must not call */
    REQUIRE(parse(OPENAI_CHAT, "{" MESSAGES ",\"tools\":[{}],\"tool_choice\":\"none\"}", &request,
                  &fault) == 0);
    CHECK(!request.options.tools);
    openai_request_done(&request);

    /* llama-server's /apply-template names no model */
    REQUIRE(parse(OPENAI_TEMPLATE, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                  &request, &fault) == 0);
    CHECK_STR(request.model, "default");
    openai_request_done(&request);
}

static void refuses_wrong_tools(void) {
    static const struct Bad bad[] = {
        {OPENAI_CHAT, "{" MESSAGES ",\"tools\":{}}", "tools", WRONG},
        {OPENAI_CHAT, "{" MESSAGES ",\"chat_template_kwargs\":[1]}", "chat_template_kwargs", WRONG},
        {OPENAI_TEMPLATE, "{}", "messages", WRONG},
        {OPENAI_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
         "messages[0].tool_calls", WRONG},
        {OPENAI_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":null,"
         "\"tool_calls\":[]}]}",
         "messages[0].content", WRONG},
        {OPENAI_CHAT,
         "{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"\",\"tool_call_id\":7}]}",
         "messages[0].tool_call_id", WRONG},
    };
    check_bad(bad, G_N_ELEMENTS(bad));
}

static void limits_messages(void) {
    g_autoptr(GString) body = g_string_new("{\"model\":\"m\",\"messages\":[");
    struct OpenaiRequest request;
    struct OpenaiFault fault;
    for (size_t i = 0; i <= MESSAGES_MAX; i++)
        g_string_append(body, "{\"role\":\"user\",\"content\":\"x\"},");
    body->str[body->len - 1] = ']';
    g_string_append_c(body, '}');
    CHECK(parse(OPENAI_CHAT, body->str, &request, &fault) < 0);
    CHECK_STR(fault.param, "messages");
}

int main(void) {
    return TEST_MAIN({"reads-chat", reads_chat}, {"reads-completion", reads_completion},
                     {"reads-samplers", reads_samplers}, {"blames-the-field", blames_the_field},
                     {"refuses-what-it-lacks", refuses_what_it_lacks},
                     {"reads-constraints", reads_constraints}, {"reads-tools", reads_tools},
                     {"refuses-wrong-tools", refuses_wrong_tools},
                     {"refuses-wrong-constraints", refuses_wrong_constraints},
                     {"limits-messages", limits_messages});
}

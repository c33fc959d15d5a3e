/*
 * The chat forms that come with the engine, as Jinja: for files that name one instead of bringing
 * a template, as llama.cpp lets them, and for models that are known to lack one.
 */
#include <string.h>

#include "engine/chat/chat.h"

static const char CHATML[] =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static const char LLAMA2[] =
    "{% set ns = namespace(system='', begun=false) %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] | trim %}"
    "{% elif message['role'] == 'user' %}"
    "{{ bos_token if ns.begun else '' }}{% set ns.begun = true %}"
    "{{ '[INST] ' }}"
    "{% if ns.system %}{{ '<<SYS>>\\n' + ns.system + '\\n<</SYS>>\\n\\n' }}"
    "{% set ns.system = '' %}{% endif %}"
    "{{ message['content'] | trim + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] | trim + ' ' + eos_token }}{% endif %}"
    "{% endfor %}";

static const char LLAMA3[] =
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

static const char ZEPHYR[] =
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

static const char PHI3[] =
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

static const char FALCON3[] = "{% for message in messages %}"
                              "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '\\n' }}"
                              "{% endfor %}"
                              "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

/* The system's words open the first of the user's. */
static const char GEMMA[] =
    "{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] | trim %}"
    "{% else %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\\n' }}"
    "{% if ns.system and role == 'user' %}{{ ns.system + '\\n\\n' }}{% set ns.system = '' %}"
    "{% endif %}"
    "{{ message['content'] | trim + '<end_of_turn>\\n' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

static const char MISTRAL[] =
    "{% set ns = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] %}"
    "{% elif message['role'] == 'user' %}"
    "{{ '[INST] ' + (ns.system + '\\n\\n' if ns.system else '') + message['content'] + ' [/INST]' "
    "}}"
    "{% set ns.system = '' %}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}"
    "{% endfor %}";

/* As its tokenizer on Hugging Face has it; files in GGUF carry another, or none. */
static const char BITNET[] =
    "{% for message in messages %}"
    "{{ message['role'] | capitalize + ': ' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

/* Blank lines end turns, so messages have none. */
static const char RWKV_WORLD[] =
    "{% for message in messages %}"
    "{% set ns = namespace(text='', blank=false) %}"
    "{% for line in message['content'].replace('\\r\\n', '\\n').replace('\\r', "
    "'\\n').strip().split("
    "'\\n') %}"
    "{% if line %}{% set ns.text = ns.text + ('\\n' if ns.text else '') + line %}{% endif %}"
    "{% endfor %}"
    "{{ message['role'] | capitalize + ': ' + ns.text + '\\n\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

static const struct {
    const char *name, *source;
} TEMPLATES[] = {
    {"chatml", CHATML},
    {"llama2", LLAMA2},
    {"llama2-sys", LLAMA2},
    {"llama3", LLAMA3},
    {"zephyr", ZEPHYR},
    {"phi3", PHI3},
    {"phi4", PHI3},
    {"falcon3", FALCON3},
    {"gemma", GEMMA},
    {"mistral-v1", MISTRAL},
    {"mistral", MISTRAL},
    {"bitnet", BITNET},
    {"rwkv-world", RWKV_WORLD},
};

const char *chat_template_builtin(const char *name) {
    for (size_t i = 0; i < sizeof TEMPLATES / sizeof TEMPLATES[0]; i++)
        if (strcmp(name, TEMPLATES[i].name) == 0) return TEMPLATES[i].source;
    return NULL;
}

const char *chat_template_default(const char *architecture) {
    static const struct {
        const char *architecture, *form;
    } DEFAULTS[] = {{"rwkv6", "rwkv-world"}, {"rwkv7", "rwkv-world"}, {"bitnet-b1.58", "bitnet"}};
    for (size_t i = 0; i < sizeof DEFAULTS / sizeof DEFAULTS[0]; i++)
        if (strcmp(architecture, DEFAULTS[i].architecture) == 0) return DEFAULTS[i].form;
    return NULL;
}

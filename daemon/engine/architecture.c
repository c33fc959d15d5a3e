#include "engine/architecture.h"

#include <string.h>

static const struct {
    const char *name;
    const struct Family *family;
} architectures[] = {
    {"bitnet", &family_transformer},
    {"bitnet-25", &family_transformer},
    {"bitnet-b1.58", &family_transformer},
    {"fake", &family_fake},
    {"llama", &family_transformer},
    {"mamba", &family_mamba},
    {"mamba2", &family_mamba},
    {"qwen2", &family_transformer},
    {"qwen3", &family_transformer},
    {"rwkv6", &family_rwkv},
    {"rwkv7", &family_rwkv},
};

/* Names close to ours that are other models. */
static const struct {
    const char *name, *why;
} refusals[] = {
    {"arwkv7", "it is a Qwen2 whose attention was replaced by a variant of RWKV-7"},
    {"rwkv6qwen2", "it is a Qwen2 whose attention was replaced by a variant of RWKV-6"},
};

const char *architecture_refusal(const char *architecture) {
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strcmp(refusals[i].name, architecture) == 0) return refusals[i].why;
    return NULL;
}

const char *architecture_name(unsigned i) {
    return i < sizeof architectures / sizeof *architectures ? architectures[i].name : NULL;
}

const struct Family *family_find(const char *architecture) {
    for (unsigned i = 0; architecture_name(i); i++)
        if (strcmp(architectures[i].name, architecture) == 0) return architectures[i].family;
    return NULL;
}

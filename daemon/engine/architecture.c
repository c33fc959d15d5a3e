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
};

const char *architecture_name(unsigned i) {
    return i < sizeof architectures / sizeof *architectures ? architectures[i].name : NULL;
}

const struct Family *family_find(const char *architecture) {
    for (unsigned i = 0; architecture_name(i); i++)
        if (strcmp(architectures[i].name, architecture) == 0) return architectures[i].family;
    return NULL;
}

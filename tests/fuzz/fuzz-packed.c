/* Any bytes as a packed file, made to look recent and sound where they are neither: what stands
 * behind the check sum must be safe on its own. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/packed.h"
#include "kernels/kernels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(uint64_t offset, uint64_t size, size_t whole) {
    return offset <= whole && size <= whole - offset;
}

static void make_sound(uint8_t *bytes, size_t size) {
    struct PackedHeader header;
    uint64_t index_size;
    if (size < sizeof header) return;
    memcpy(&header, bytes, sizeof header);
    memcpy(header.magic, PACKED_MAGIC, sizeof header.magic);
    header.version = PACKED_VERSION;
    header.layout = PACKED_LAYOUT;
    memset(header.tier, 0, sizeof header.tier);
    strcpy(header.tier, kernels_tier(0)->tier);
    if (!__builtin_mul_overflow(header.n_entries, sizeof(struct WeightEntry), &index_size) &&
        is_inside(header.metadata_offset, header.metadata_size, size) &&
        is_inside(header.index_offset, index_size, size)) {
        header.checksum = (struct Digest){{0, 0}};
        digest_add(&header.checksum, &header, offsetof(struct PackedHeader, checksum));
        digest_add(&header.checksum, bytes + header.metadata_offset, header.metadata_size);
        digest_add(&header.checksum, bytes + header.index_offset, index_size);
    }
    memcpy(bytes, &header, sizeof header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct EngineOptions options = {
        .n_threads = 1, .max_tokens = 1, .kernels = kernels_tier(0)};
    Engine *engine;
    Reason why = {""};
    int fd = memfd_create("packed", MFD_CLOEXEC);
    uint8_t *copy = malloc(size + 1);
    if (fd < 0 || !copy) abort();
    memcpy(copy, data, size);
    make_sound(copy, size);
    if (write(fd, copy, size) != (ssize_t)size) abort();
    int r = engine_open(fd, &options, &engine, &why);
    if (r == 0)
        engine_free(engine);
    else if (!why.text[0])
        abort(); /* every refusal has a reason */
    free(copy);
    close(fd);
    return 0;
}

#include "engine/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/huge-pages.h"
#include "engine/limits.h"
#include "engine/pack.h"

/* Of a GGUF file: magic, version, number of tensors, number of keys. */
#define GGUF_HEADER_SIZE 24u
#define GGUF_N_TENSORS_OFFSET 8u

/* ---- Reading ---- */

int packed_detect(int fd) {
    char magic[sizeof PACKED_MAGIC];
    ssize_t n = pread(fd, magic, sizeof magic, 0);
    if (n < 0) return -errno;
    return n == sizeof magic && memcmp(magic, PACKED_MAGIC, sizeof magic) == 0;
}

/* Whether [offset, offset + size) lies in the file behind the header, offset being aligned. */
static bool is_inside(const struct Packed *packed, uint64_t offset, uint64_t size,
                      uint64_t alignment) {
    return offset >= sizeof(struct PackedHeader) && offset % alignment == 0 &&
           offset <= packed->size && size <= packed->size - offset;
}

static struct Digest header_checksum(const struct PackedHeader *header, const void *metadata,
                                     const void *entries) {
    struct Digest digest = {{0, 0}};
    digest_add(&digest, header, offsetof(struct PackedHeader, checksum));
    digest_add(&digest, metadata, header->metadata_size);
    digest_add(&digest, entries, header->n_entries * sizeof(struct WeightEntry));
    return digest;
}

static bool is_terminated(const char *string, size_t size) {
    return strnlen(string, size) < size;
}

/* A file of another time or place is not damaged, it is stale: that comes before all else. */
static int check_age(const struct PackedHeader *header, const char *tier, Reason *why) {
    if (header->version != PACKED_VERSION || header->layout != PACKED_LAYOUT) {
        reason_set(why, 0, "the file was packed by another version (%u.%u, not %u.%u)",
                   header->version, header->layout, PACKED_VERSION, PACKED_LAYOUT);
        return PACKED_STALE;
    }
    if (strncmp(header->tier, tier, sizeof header->tier) != 0) {
        reason_set(why, 0, "the file was packed for %.15s, not %s", header->tier, tier);
        return PACKED_STALE;
    }
    return 0;
}

static int check_sections(struct Packed *packed, Reason *why) {
    const struct PackedHeader *header = packed->header;
    if (header->n_entries > MODEL_MAX_WEIGHTS ||
        !is_inside(packed, header->metadata_offset, header->metadata_size, 8) ||
        !is_inside(packed, header->index_offset, header->n_entries * sizeof(struct WeightEntry),
                   8) ||
        !is_inside(packed, header->data_offset, header->data_size, PACKED_PAGE))
        return reason_set(why, EBADMSG,
                          "the packed file is truncated or its header damaged: install the "
                          "model again");
    if (!is_terminated(header->weights, sizeof header->weights))
        return reason_set(why, EBADMSG,
                          "the packed file's header is damaged: install the model again");

    const uint8_t *bytes = packed->mapping;
    packed->entries = (const struct WeightEntry *)(bytes + header->index_offset);
    packed->data = bytes + header->data_offset;
    struct Digest sum = header_checksum(header, bytes + header->metadata_offset, packed->entries);
    if (memcmp(&sum, &header->checksum, sizeof sum) != 0)
        return reason_set(why, EBADMSG,
                          "the packed file's header or index is damaged: install the model again");
    return 0;
}

static int map_file(struct Packed *packed, int fd, Reason *why) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return reason_set(why, errno, "the packed file cannot be read: %s", strerror(errno));
    if (!S_ISREG(status.st_mode)) return reason_set(why, EINVAL, "not a regular file");
    if (status.st_size < (off_t)sizeof(struct PackedHeader))
        return reason_set(why, EBADMSG, "the packed file is truncated: install the model again");
    int r = huge_map(fd, (size_t)status.st_size, &packed->mapping);
    if (r < 0) return reason_set(why, -r, "the packed file cannot be mapped: %s", strerror(-r));
    packed->size = (size_t)status.st_size;
    packed->header = packed->mapping;
    return 0;
}

int packed_open(int fd, const char *tier, struct Packed **ret, Reason *why) {
    struct Packed *packed = calloc(1, sizeof *packed);
    if (!packed) return -ENOMEM;
    int r = map_file(packed, fd, why);
    if (r == 0 && memcmp(packed->header->magic, PACKED_MAGIC, sizeof PACKED_MAGIC) != 0)
        r = reason_set(why, EBADMSG, "not a packed file");
    if (r == 0) r = check_age(packed->header, tier, why);
    if (r == 0) r = check_sections(packed, why);
    if (r != 0) {
        packed_free(packed);
        return r;
    }
    *ret = packed;
    return 0;
}

struct Packed *packed_free(struct Packed *packed) {
    if (!packed) return NULL;
    if (packed->mapping) munmap(packed->mapping, packed->size);
    free(packed);
    return NULL;
}

int packed_metadata(const struct Packed *packed, struct Gguf **ret, Reason *why) {
    const uint8_t *bytes = packed->mapping;
    return gguf_parse(bytes + packed->header->metadata_offset, packed->header->metadata_size, ret,
                      why);
}

/* ---- Writing ---- */

static uint64_t round_up(uint64_t n, uint64_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* The sections one behind the other. Returns the size of the file. */
static uint64_t place_sections(struct PackedHeader *header, size_t metadata_size, size_t n_entries,
                               uint64_t data_size) {
    header->metadata_offset = PACKED_PAGE;
    header->metadata_size = metadata_size;
    header->index_offset = round_up(header->metadata_offset + metadata_size, PACKED_PAGE);
    header->n_entries = n_entries;
    header->data_offset =
        round_up(header->index_offset + n_entries * sizeof(struct WeightEntry), PACKED_PAGE);
    header->data_size = data_size;
    return header->data_offset + data_size;
}

/* All keys of the source, no tensors. */
static void *copy_metadata(const struct Gguf *source, size_t *ret_size) {
    const void *metadata = gguf_metadata(source, ret_size, NULL);
    uint8_t *copy = malloc(*ret_size);
    if (!copy) return NULL;
    memcpy(copy, metadata, *ret_size);
    memset(copy + GGUF_N_TENSORS_OFFSET, 0, sizeof(uint64_t));
    return copy;
}

static int sync_data(int fd, Reason *why) {
    if (fdatasync(fd) == 0) return 0;
    int error = errno;
    return reason_set(why, error, "the packed file cannot be written: %s", strerror(error));
}

/* The file's own pages, to be touched before they are written; NULL where that does not make them
 * huge. */
static void *map_pages(int fd, size_t size) {
    void *pages = NULL;
    if (size < HUGE_PAGE || huge_map(fd, size, &pages) < 0) return NULL;
    huge_touch(pages, HUGE_PAGE);
    if (huge_bytes(pages, size) > 0) return pages;
    munmap(pages, size);
    return NULL;
}

static int write_data(int fd, const struct PackedHeader *header, struct Weights *weights,
                      WeightsProgress *progress, void *userdata, Reason *why) {
    const size_t size = header->data_offset + header->data_size;
    void *pages = map_pages(fd, size);
    const struct PackTarget data = {.fd = fd, .offset = header->data_offset, .pages = pages};
    int r = weights_fill(weights, &data, progress, userdata, why);
    if (pages) munmap(pages, size);
    return r;
}

/* Everything but the header, which is completed. */
static int write_sections(int fd, struct PackedHeader *header, const void *metadata,
                          struct Weights *weights, WeightsProgress *progress, void *userdata,
                          Reason *why) {
    const struct PackTarget file = {.fd = fd};
    size_t n;
    int r = write_data(fd, header, weights, progress, userdata, why);
    if (r < 0) return r;
    const struct WeightEntry *entries = weights_entries(weights, &n);
    header->checksum = header_checksum(header, metadata, entries);
    r = pack_write(&file, header->metadata_offset, metadata, header->metadata_size, why);
    if (r == 0) r = pack_write(&file, header->index_offset, entries, n * sizeof *entries, why);
    return r < 0 ? r : sync_data(fd, why);
}

/* All blocks first: a disk that is too small is told before the work, not after it. */
static int make_file(int fd, uint64_t size, Reason *why) {
    int error = 0;
    if (ftruncate(fd, 0) < 0) error = errno;
    if (!error) error = posix_fallocate(fd, 0, (off_t)size);
    if (!error) return 0;
    return reason_set(why, error, "the packed file cannot be written: %s", strerror(error));
}

int packed_write(int fd, const struct PackedHeader *header, const struct Gguf *source,
                 struct Weights *weights, WeightsProgress *progress, void *userdata, Reason *why) {
    struct PackedHeader full = *header;
    size_t metadata_size, n_entries;
    void *metadata = copy_metadata(source, &metadata_size);
    if (!metadata) return -ENOMEM;
    weights_entries(weights, &n_entries);
    uint64_t size = place_sections(&full, metadata_size, n_entries, weights_size(weights));
    memcpy(full.magic, PACKED_MAGIC, sizeof PACKED_MAGIC);
    full.version = PACKED_VERSION;
    full.layout = PACKED_LAYOUT;

    int r = make_file(fd, size, why);
    if (r == 0) r = write_sections(fd, &full, metadata, weights, progress, userdata, why);
    if (r == 0) r = pack_write(&(struct PackTarget){.fd = fd}, 0, &full, sizeof full, why);
    if (r == 0) r = sync_data(fd, why);
    free(metadata);
    return r;
}

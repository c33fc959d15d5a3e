/* One model of the files that it is split over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/gguf-parse.h"

/* What a part says of itself. A file without these keys is all of a model. */
struct Split {
    uint32_t no; /* from 0 */
    uint32_t count;
};

static int read_split(const struct Gguf *file, struct Split *ret, Reason *why) {
    *ret = (struct Split){0, 1};
    int r = gguf_get_u32(file, "split.count", &ret->count, why);
    if (r >= 0) r = gguf_get_u32(file, "split.no", &ret->no, why);
    if (r < 0) return r;
    if (ret->count == 0) ret->count = 1;
    if (ret->no >= ret->count)
        return reason_set(why, EBADMSG, "the file says that it is part %llu of %u", ret->no + 1ULL,
                          ret->count);
    return 0;
}

static int missing_part(size_t no, size_t n, uint32_t count, Reason *why) {
    return reason_set(why, EBADMSG,
                      "part %zu of %u is missing: the model is split over %u files, and %zu %s "
                      "here",
                      no + 1, count, count, n, n == 1 ? "is" : "are");
}

/* Puts the parts in order: ret[i] is part i. */
static int sort_parts(struct Gguf *const *parts, size_t n, struct Gguf **ret, Reason *why) {
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        struct Split split;
        int r = read_split(parts[i], &split, why);
        if (r < 0) return r;
        if (split.count == 1 && n > 1)
            return reason_set(why, EBADMSG, "one of the %zu files is no part of a model", n);
        if (i > 0 && split.count != count)
            return reason_set(why, EBADMSG,
                              "the files are of different models: one is split over %u files, "
                              "another over %u",
                              count, split.count);
        count = split.count;
        if (split.no >= n) continue; /* too few files: told below */
        if (ret[split.no])
            return reason_set(why, EBADMSG, "part %u of %u is there twice", split.no + 1, count);
        ret[split.no] = parts[i];
    }
    for (size_t i = 0; i < count; i++)
        if (i >= n || !ret[i]) return missing_part(i, n, count, why);
    return 0; /* and n is count: more of them would be there twice */
}

static int count_tensors(const struct Gguf *head, size_t n_tensors, Reason *why) {
    uint32_t expected = (uint32_t)n_tensors;
    int r = gguf_get_u32(head, "split.tensors.count", &expected, why);
    if (r < 0) return r;
    if (n_tensors > GGUF_MAX_TENSORS)
        return reason_set(why, EFBIG, "the parts have %zu tensors, more than the limit of %u",
                          n_tensors, GGUF_MAX_TENSORS);
    if (expected != n_tensors)
        return reason_set(why, EBADMSG, "the parts have %zu tensors, the model has %u", n_tensors,
                          expected);
    return 0;
}

/* The tensors of all parts in the head's list; what they point to stays where it is. */
static int take_tensors(struct Gguf *head, Reason *why) {
    size_t n = head->n_tensors;
    for (size_t i = 0; i < head->n_parts; i++) n += head->parts[i]->n_tensors;
    int r = count_tensors(head, n, why);
    if (r < 0) return r;
    struct GgufTensor *tensors = realloc(head->tensors, (n + 1) * sizeof *tensors);
    if (tensors) head->tensors = tensors;
    uint32_t *order = realloc(head->tensor_order, (n + 1) * sizeof *order);
    if (order) head->tensor_order = order;
    if (!tensors || !order) return reason_set(why, ENOMEM, "out of memory");
    for (size_t i = 0; i < head->n_parts; i++) {
        const struct Gguf *part = head->parts[i];
        for (size_t k = 0; k < part->n_tensors; k++) {
            struct GgufTensor *tensor = &head->tensors[head->n_tensors++];
            *tensor = part->tensors[k];
            gguf_set_type(head, tensor); /* the architecture stands in the first part only */
        }
    }
    return gguf_order_tensors(head, why);
}

int gguf_join(struct Gguf **parts, size_t n, struct Gguf **ret, Reason *why) {
    struct Gguf *sorted[GGUF_MAX_PARTS] = {NULL};
    int r = n >= 1 && n <= GGUF_MAX_PARTS ? sort_parts(parts, n, sorted, why)
                                          : reason_set(why, EINVAL, "%zu files", n);
    if (r < 0) {
        for (size_t i = 0; i < n; i++) gguf_free(parts[i]);
        return r;
    }
    struct Gguf *head = sorted[0];
    head->n_parts = n - 1;
    for (size_t i = 1; i < n; i++) head->parts[i - 1] = sorted[i];
    if (n > 1) r = take_tensors(head, why);
    if (r < 0)
        gguf_free(head);
    else
        *ret = head;
    return r;
}

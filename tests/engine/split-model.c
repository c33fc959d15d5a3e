#include "split-model.h"

#include "gguf-writer.h"

int split_model_fd(const struct Gguf *file, uint32_t i, uint32_t n, struct SplitLie lie) {
    struct GgufWriter *writer = gguf_writer_new();
    uint16_t no = (uint16_t)(lie.no_plus_1 ? lie.no_plus_1 - 1 : i);
    uint16_t count = (uint16_t)(lie.count ? lie.count : n);
    int32_t n_tensors = (int32_t)(lie.n_tensors ? lie.n_tensors : gguf_n_tensors(file));
    if (i == 0) {
        size_t size;
        uint64_t n_keys;
        const void *metadata = gguf_metadata(file, &size, &n_keys);
        gguf_writer_metadata(writer, metadata, size, n_keys);
    }
    gguf_writer_raw(writer, "split.no", GGUF_U16, &no, 2);
    gguf_writer_raw(writer, "split.count", GGUF_U16, &count, 2);
    gguf_writer_raw(writer, "split.tensors.count", GGUF_I32, &n_tensors, 4);
    for (size_t k = 0; k < gguf_n_tensors(file); k++) {
        const struct GgufTensor *tensor = gguf_tensor_at(file, k);
        if (k % n == i || (lie.twice && k == 0))
            gguf_writer_tensor(writer, tensor->name, tensor->type_id, tensor->n_dims, tensor->dims,
                               tensor->data, tensor->size);
    }
    return gguf_writer_finish_fd(writer);
}

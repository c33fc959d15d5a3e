#include "gguf-writer.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *gguf_writer_finish(GgufWriter *writer, size_t *ret_size) {
    void *file;
    if (!writer || gguf_writer_file(writer, &file, ret_size) < 0) abort();
    gguf_writer_free(writer);
    return file;
}

int gguf_writer_finish_fd(GgufWriter *writer) {
    size_t size;
    uint8_t *data = gguf_writer_finish(writer, &size);
    int fd = memfd_create("test.gguf", MFD_CLOEXEC);
    if (fd < 0) abort();
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0) abort();
        done += (size_t)n;
    }
    free(data);
    return fd;
}

/* Streaming detokenisation: see tokenizer.h. */
#include <string.h>

#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"

static const char REPLACEMENT[] = "\xef\xbf\xbd"; /* U+FFFD */
#define REPLACEMENT_SIZE (sizeof REPLACEMENT - 1)

/* Could more bytes make a character of these? By trying: continuation bytes at either end of the
 * range make one, wherever one is possible. */
static bool is_promising(const char *bytes, unsigned n) {
    for (unsigned size = n + 1; size <= UTF8_MAX_SIZE; size++)
        for (unsigned end = 0; end < 2; end++) {
            char whole[UTF8_MAX_SIZE];
            uint32_t character;
            memcpy(whole, bytes, n);
            memset(whole + n, end ? 0xbf : 0x80, size - n);
            if (utf8_decode(whole, size, &character) == size) return true;
        }
    return false;
}

/* Takes what can be taken off the front of the pending bytes; 0: they wait for more. */
static size_t flush(struct Utf8Stream *stream, char *out) {
    uint32_t character;
    unsigned n = utf8_decode(stream->pending, stream->n_pending, &character);
    size_t written;
    if (character != UTF8_INVALID) {
        memcpy(out, stream->pending, n);
        written = n;
    } else {
        if (is_promising(stream->pending, stream->n_pending)) return 0;
        /* the longest start of a character is one mistake */
        for (n = stream->n_pending - 1; n > 1 && !is_promising(stream->pending, n);) n--;
        if (n == 0) n = 1;
        memcpy(out, REPLACEMENT, REPLACEMENT_SIZE);
        written = REPLACEMENT_SIZE;
    }
    stream->n_pending -= n;
    memmove(stream->pending, stream->pending + n, stream->n_pending);
    return written;
}

size_t utf8_stream_push(struct Utf8Stream *stream, const char *bytes, size_t size, char *out) {
    char *to = out;
    for (size_t i = 0; i < size; i++) {
        stream->pending[stream->n_pending++] = bytes[i];
        size_t n;
        while (stream->n_pending > 0 && (n = flush(stream, to)) > 0) to += n;
    }
    return (size_t)(to - out);
}

size_t utf8_stream_finish(struct Utf8Stream *stream, char *out) {
    if (stream->n_pending == 0) return 0;
    stream->n_pending = 0;
    memcpy(out, REPLACEMENT, REPLACEMENT_SIZE);
    return REPLACEMENT_SIZE;
}

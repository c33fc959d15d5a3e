/* A line of a request's event stream: comes from the worker, which runs foreign model files. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/event.h"
#include "client/printable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct Event event;
    if (event_parse((const char *)data, size, &event) < 0) return 0;
    if (!event.text || !event.stage || !event.finish_reason || !event.error_name) abort();
    char *text = printable_text(event.text);
    if (strchr(text, '\033')) abort();
    g_free(text);
    event_done(&event);
    return 0;
}

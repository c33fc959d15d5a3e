#include "worker/model-path.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <unistd.h>

#include "worker/draft.h"
#include "worker/log.h"

static int file_open(const char *path, const struct EngineOptions *options, Engine **ret,
                     Reason *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not block */
    if (fd < 0) return reason_set(why, errno, "%s: %s", path, g_strerror(errno));

    int r = engine_open(fd, options, ret, why);
    close(fd);
    return r;
}

int model_path_open(const char *path, const struct EngineOptions *options, Engine **ret,
                    Reason *why) {
    if (!g_file_test(path, G_FILE_TEST_IS_DIR)) return file_open(path, options, ret, why);

    g_autofree char *packed = g_build_filename(path, PACKED_FILE, NULL);
    g_autofree char *model = g_build_filename(path, MODEL_FILE, NULL);
    int r = file_open(packed, options, ret, why);
    if (r == 0) return 0;
    /* ENGINE_STALE is told in words, too: made by another version or for another processor. */
    if (r != -ENOENT)
        log_message(LOG_NOTICE, "Not using %s: %s", packed,
                    why->text[0] ? why->text : g_strerror(ABS(r)));
    *why = (Reason){""};
    return file_open(model, options, ret, why);
}

static int draft_open(const char *path, const Engine *model, Engine **ret, Reason *why) {
    const struct EngineOptions options = {
        .n_ctx = engine_info(model)->n_ctx,
        .max_tokens = engine_max_tokens(model),
        .threads_of = model,
    };
    Engine *draft = NULL;

    int r = model_path_open(path, &options, &draft, why);
    if (r == 0) r = draft_check_model(model, draft, why);
    if (r == 0)
        *ret = draft;
    else
        engine_free(draft);
    return r;
}

void model_path_open_draft(const char *path, const Engine *model, Engine **ret) {
    g_autofree char *draft = g_build_filename(path, DRAFT_DIRECTORY, NULL);
    Reason why = {""};

    if (!g_file_test(draft, G_FILE_TEST_IS_DIR)) return;
    int r = draft_open(draft, model, ret, &why);
    if (r != 0)
        log_message(LOG_WARNING, "Not drafting with %s: %s", draft,
                    why.text[0] ? why.text : g_strerror(ABS(r)));
}

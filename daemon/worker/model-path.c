#include "worker/model-path.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <unistd.h>

#include "worker/draft.h"
#include "worker/install-settings.h"
#include "worker/log.h"
#include "worker/manifest.h"
#include "worker/model-files.h"

static int model_open(const char *path, const struct EngineOptions *options, Engine **ret,
                      Reason *why) {
    g_auto(ModelFiles) files = MODEL_FILES_NONE;

    int r = model_files_open(&files, path, why);
    return r < 0 ? r : engine_open_parts(files.fds, files.n, options, ret, why);
}

static int packed_open(const char *path, const struct EngineOptions *options, Engine **ret,
                       Reason *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not block */
    if (fd < 0) return reason_set(why, errno, "%s: %s", path, g_strerror(errno));

    int r = engine_open(fd, options, ret, why);
    close(fd);
    return r;
}

/* The GGUF files of an installed model become again what was asked for then; one that was packed by
 * hand has only its manifest to say so. */
static int installed_open(const char *path, const struct EngineOptions *options, Engine **ret,
                          Reason *why) {
    g_autofree char *manifest = g_build_filename(path, MANIFEST_FILE, NULL);
    struct EngineOptions as_installed = *options;

    if (options->requantise == REQUANTISE_NOTHING)
        as_installed.requantise = manifest_requantise(manifest);
    return model_open(path, &as_installed, ret, why);
}

const char *packed_state_name(enum PackedState state) {
    static const char *const names[] = {
        [PACKED_NONE] = "none", [PACKED_USED] = "used", [PACKED_STALE] = "stale"};
    return names[state];
}

/* Whether making the packed file again would help, going by why it was not opened. */
static bool is_stale(int r) {
    return r == ENGINE_STALE || r == -EBADMSG || r == -EINVAL;
}

static int directory_open(const char *path, const struct EngineOptions *options, Engine **ret,
                          enum PackedState *ret_packed, Reason *why) {
    g_autofree char *packed = g_build_filename(path, PACKED_FILE, NULL);
    Reason of_packed = {""};

    int packed_r = packed_open(packed, options, ret, &of_packed);
    *ret_packed = packed_r == 0 ? PACKED_USED : is_stale(packed_r) ? PACKED_STALE : PACKED_NONE;
    if (packed_r == 0) return 0;
    /* ENGINE_STALE is told in words, too: made by another version or for another processor. */
    if (packed_r != -ENOENT)
        log_message(LOG_NOTICE, "Not using %s: %s", packed,
                    of_packed.text[0] ? of_packed.text : g_strerror(ABS(packed_r)));
    *why = (Reason){""};
    int r = installed_open(path, options, ret, why);
    if (r != -ENOENT || packed_r == -ENOENT) return r;
    *why = of_packed;
    return packed_r < 0 ? packed_r : -ESTALE;
}

int model_path_open(const char *path, const struct EngineOptions *options, Engine **ret,
                    enum PackedState *ret_packed, Reason *why) {
    struct EngineOptions settled = *options;
    struct InstallSettings settings;
    enum PackedState packed = PACKED_NONE;

    int r = install_settings_load(path, &settings, why);
    if (r < 0) return r;
    settled.requantise = settings.requantise;
    settled.kv_type = settings.kv_type;
    r = g_file_test(path, G_FILE_TEST_IS_DIR) ? directory_open(path, &settled, ret, &packed, why)
                                              : model_open(path, &settled, ret, why);
    if (ret_packed) *ret_packed = packed;
    return r;
}

char *model_path_draft(const char *path) {
    return g_build_filename(path, DRAFT_DIRECTORY, NULL);
}

static int draft_open(const char *path, const Engine *model, Engine **ret,
                      enum PackedState *ret_packed, Reason *why) {
    const struct EngineOptions options = {
        .n_ctx = engine_info(model)->n_ctx,
        .max_tokens = engine_max_tokens(model),
        .threads_of = model,
    };
    Engine *draft = NULL;

    int r = model_path_open(path, &options, &draft, ret_packed, why);
    if (r == 0) r = draft_check_model(model, draft, why);
    if (r == 0)
        *ret = draft;
    else
        engine_free(draft);
    return r;
}

void model_path_open_draft(const char *path, const Engine *model, Engine **ret,
                           enum PackedState *packed) {
    g_autofree char *draft = model_path_draft(path);
    enum PackedState of_draft = PACKED_NONE;
    Reason why = {""};

    if (!g_file_test(draft, G_FILE_TEST_IS_DIR)) return;
    int r = draft_open(draft, model, ret, &of_draft, &why);
    if (r == 0 && of_draft == PACKED_STALE) *packed = PACKED_STALE;
    if (r != 0)
        log_message(LOG_WARNING, "Not drafting with %s: %s", draft,
                    why.text[0] ? why.text : g_strerror(ABS(r)));
}

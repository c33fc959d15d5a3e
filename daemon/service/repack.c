#include "service/repack.h"

#include <glib.h>

#include "service/journal.h"

struct Repack {
    struct InstallPlace place;
    char *name, *staged;
    void (*changed)(Model *model, void *userdata);
    void (*ended)(Repack *repack, void *userdata);
    void *userdata;
    void (*cancelled)(void *userdata);
    void *cancelled_userdata;
    bool is_cancelled;
};

const char *repack_name(const Repack *repack) {
    return repack->name;
}

Repack *repack_free(Repack *repack) {
    if (!repack) return NULL;
    library_abandon(repack->staged);
    g_free(repack->staged);
    g_free(repack->name);
    g_free(repack);
    return NULL;
}

static void state_set(Repack *repack, Model *model, enum ModelPacked packed) {
    model->packed = packed;
    repack->changed(model, repack->userdata);
}

static void end(Repack *repack) {
    void (*cancelled)(void *userdata) = repack->cancelled;
    void *cancelled_userdata = repack->cancelled_userdata;
    library_abandon(repack->staged); /* before anyone hears that it has ended */
    g_clear_pointer(&repack->staged, g_free);
    repack->ended(repack, repack->userdata);
    if (cancelled) cancelled(cancelled_userdata);
}

/* The model may have gone meanwhile. */
static void renew(Repack *repack, bool packed) {
    Model *model = library_find(repack->place.library, repack->name);
    Problem problem = {0};

    if (!model) return;
    if (packed && library_renew(repack->place.library, model, repack->staged, &problem) == 0) {
        journal_model(LOG_INFO, repack->name, "Packed the model %s again.", repack->name);
        state_set(repack, model, MODEL_PACKED_RENEWED);
        return;
    }
    if (problem.kind) journal_model(LOG_WARNING, repack->name, "%s", problem.text);
    state_set(repack, model, MODEL_PACKED_STALE);
}

static void on_packing(const char *line, const struct WorkerEnd *how, void *userdata) {
    Repack *repack = userdata;
    if (line) return;
    bool fine = how->kind == END_EXITED && how->code == 0;
    if (!fine && !repack->is_cancelled) {
        g_autofree char *words = worker_end_describe(how);
        journal_model(LOG_WARNING, repack->name,
                      "The model %s could not be packed again: the packer %s.", repack->name,
                      words);
    }
    renew(repack, fine && !repack->is_cancelled);
    end(repack);
}

Repack *repack_new(const struct InstallPlace *place, Model *model,
                   void (*changed)(Model *model, void *userdata),
                   void (*ended)(Repack *repack, void *userdata), void *userdata) {
    Problem problem;
    Repack *repack = g_new0(Repack, 1);
    repack->place = *place;
    repack->name = g_strdup(model_name(model));
    repack->changed = changed;
    repack->ended = ended;
    repack->userdata = userdata;
    if (library_stage_again(place->library, model, &repack->staged, &problem) < 0 ||
        supervisor_pack(place->supervisor, repack->name, repack->staged, on_packing, repack,
                        &problem) < 0) {
        journal_model(LOG_WARNING, repack->name, "The model %s can't be packed again: %s",
                      repack->name, problem.text);
        return repack_free(repack);
    }
    journal_model(LOG_INFO, repack->name, "The packed file of %s is stale: packing it again.",
                  repack->name);
    state_set(repack, model, MODEL_PACKED_PACKING);
    return repack;
}

void repack_cancel(Repack *repack, void (*cancelled)(void *userdata), void *userdata) {
    repack->is_cancelled = true;
    repack->cancelled = cancelled;
    repack->cancelled_userdata = userdata;
    supervisor_pack_cancel(repack->place.supervisor, repack->name);
}

/*
 * The core of ryzen-llmd, without any wire format: models, requests, workers. The doors (api/)
 * translate between it and D-Bus or HTTP.
 *
 * Everything here belongs to the thread of the default GMainContext. Nothing blocks; answers come
 * by callback, never from within the call that asked. A callback is called exactly once, unless the
 * Service is freed before. Who the caller is and whether polkit let them has been settled by the
 * door before it comes here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dbus/options.h"
#include "service/config.h"
#include "service/message.h"
#include "service/model.h"
#include "service/problem.h"
#include "service/request.h"

typedef struct Service Service;

/* What happens that a door may have to announce. Any member may be NULL. */
struct ServiceEvents {
    void (*model_added)(Model *model, void *userdata);
    void (*model_removed)(Model *model, void *userdata); /* still valid during the call */
    void (*model_changed)(Model *model, void *userdata); /* its state */
    void (*default_changed)(void *userdata);
    void (*request_added)(Request *request, void *userdata);
    void (*request_changed)(Request *request,
                            void *userdata); /* its state; "finished" comes once */
    void (*request_removed)(Request *request, void *userdata);
};

/* Scans the library. The configuration is copied. */
int service_new(const struct Config *config, Service **ret, Problem *why);
Service *service_free(Service *service); /* cancels all requests */
/* Several doors may watch; each is told in the order of subscription. */
void service_watch(Service *service, const struct ServiceEvents *events, void *userdata);
/* A changed configuration (SIGHUP, systemctl reload), and a new look at the model directories. */
int service_reload(Service *service, const struct Config *config, Problem *why);
/* Cancels what runs, then calls back: for a clean stop. */
void service_stop(Service *service, void (*stopped)(void *userdata), void *userdata);

/* ---- Models ---- */
Model *service_find_model(Service *service, const char *name); /* "" is the default; NULL: none */
Model *service_default_model(Service *service);
/* Default first, then by name. NULL-terminated, g_free() it (not the models). */
Model **service_list_models(Service *service);
uint64_t service_memory_budget(const Service *service);
uint64_t service_memory_used(const Service *service);
unsigned service_n_active(const Service *service);
unsigned service_n_queued(const Service *service);

/* ---- Generations: see request.h for what a Request does ---- */

/* What to continue: exactly one of text (raw), ask (a chat of one user message where the model can
 * chat), messages. Copied. */
struct GenerationSpec {
    const char *model; /* "" or NULL: the default */
    uid_t uid;         /* the caller's namespace */
    const char *text, *ask;
    const struct Message *messages;
    size_t n_messages;
    const struct GenerateOptions *options;
};

/* Accepts a generation or refuses it at once (NoSuchModel, Busy). The request runs until it has
 * finished; the reference returned is the caller's. */
int service_generate(Service *service, const struct GenerationSpec *spec, Request **ret,
                     Problem *why);

/* What to install. */
struct InstallSpec {
    uid_t uid;
    const char *name;
    const int *fds; /* the model's file or all its parts in order, then the draft model's */
    size_t n_files, n_draft_files;
    const char *weights; /* "file", "q8", "q4"; NULL: as the file has them */
    const char *kv_type; /* "f32", "f16", "i8"; NULL: the model's own */
    bool replace;
};

/* Copies, checks and packs a model; a request like a generation, with progress in its stream.
 * Takes the descriptors, also on failure. */
int service_install(Service *service, const struct InstallSpec *spec, Request **ret, Problem *why);

/* By number; NULL when it is gone. */
Request *service_find_request(Service *service, uint64_t id);
Request **service_list_requests(Service *service); /* NULL-terminated, g_free() it */

/* ---- Short calls ---- */
/* `problem->kind` is PROBLEM_NONE on success; pointers live during the call only. */
typedef void (*ServiceDone)(const Problem *problem, void *userdata);
typedef void (*ServiceTokens)(const Problem *problem, const int32_t *tokens, size_t n,
                              void *userdata);
typedef void (*ServiceText)(const Problem *problem, const char *text, void *userdata);
/* n vectors of n_dimensions doubles, one behind the other. */
typedef void (*ServiceEmbeddings)(const Problem *problem, const double *vectors, size_t n,
                                  size_t n_dimensions, uint32_t n_tokens, void *userdata);

void service_load(Service *service, const char *model, ServiceDone done, void *userdata);
void service_unload(Service *service, const char *model, bool force, ServiceDone done,
                    void *userdata);
void service_remove(Service *service, const char *model, ServiceDone done, void *userdata);
void service_tokenize(Service *service, const char *model, const char *text, bool special, bool bos,
                      ServiceTokens done, void *userdata);
void service_detokenize(Service *service, const char *model, const int32_t *tokens, size_t n,
                        ServiceText done, void *userdata);
/* The conversation as the model's chat template renders it: NoChatTemplate, InvalidArgument in the
 * template's words. Copies. */
void service_apply_template(Service *service, const char *model, const struct Message *messages,
                            size_t n, const struct GenerateOptions *options, ServiceText done,
                            void *userdata);
void service_embed(Service *service, const char *model, uid_t uid, const char *const *inputs,
                   size_t n, ServiceEmbeddings done, void *userdata);

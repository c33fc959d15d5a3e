#include "api/polkit.h"

#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "service/journal.h"

#define AUTHORITY "org.freedesktop.PolicyKit1"
#define AUTHORITY_PATH "/org/freedesktop/PolicyKit1/Authority"
#define AUTHORITY_INTERFACE AUTHORITY ".Authority"
#define ALLOW_USER_INTERACTION 1u
/* Somebody types a password. */
#define INTERACTIVE_TIMEOUT_USEC (300 * UINT64_C(1000000))

typedef struct Question {
    Polkit *polkit;
    sd_bus_message *message;
    sd_bus_slot *slot;
    void (*done)(const Problem *problem, void *userdata);
    void *userdata;
} Question;

struct Polkit {
    sd_bus *bus;
    GQueue questions;
};

Polkit *polkit_new(sd_bus *bus) {
    Polkit *polkit = g_new0(Polkit, 1);
    polkit->bus = sd_bus_ref(bus);
    g_queue_init(&polkit->questions);
    return polkit;
}

static void question_free(Question *question) {
    g_queue_remove(&question->polkit->questions, question);
    sd_bus_slot_unref(question->slot);
    sd_bus_message_unref(question->message);
    g_free(question);
}

Polkit *polkit_free(Polkit *polkit) {
    if (!polkit) return NULL;
    while (polkit->questions.head) question_free(polkit->questions.head->data);
    sd_bus_unref(polkit->bus);
    g_free(polkit);
    return NULL;
}

static void answer(Question *question, const Problem *problem) {
    void (*done)(const Problem *problem, void *userdata) = question->done;
    void *userdata = question->userdata;
    question_free(question);
    done(problem, userdata);
}

/* polkit's words, or why there are none. */
static void judge(sd_bus_message *reply, Problem *ret) {
    const sd_bus_error *error = sd_bus_message_get_error(reply);
    int authorized = 0, challenge = 0;
    if (error) {
        journal_print(LOG_WARNING, "polkit: %s: %s", error->name, error->message);
        problem_set(ret, PROBLEM_ACCESS_DENIED,
                    "polkit could not be asked (%s), so only root may do this.", error->message);
    } else if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
               sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0) {
        problem_set(ret, PROBLEM_ACCESS_DENIED, "polkit's answer is not understood.");
    } else if (!authorized && challenge) {
        problem_set(
            ret, PROBLEM_ACCESS_DENIED,
            "This needs authentication: call again with interactive authorization allowed.");
    } else if (!authorized) {
        problem_set(ret, PROBLEM_ACCESS_DENIED,
                    "The system's policy does not allow you to do this.");
    }
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
    Problem problem = {0};
    judge(reply, &problem);
    answer(userdata, &problem);
    return 0;
}

static int ask(Question *question, const char *action) {
    int interactive = sd_bus_message_get_allow_interactive_authorization(question->message);
    sd_bus_message *m = NULL;
    int r = sd_bus_message_new_method_call(question->polkit->bus, &m, AUTHORITY, AUTHORITY_PATH,
                                           AUTHORITY_INTERFACE, "CheckAuthorization");
    if (r >= 0)
        r = sd_bus_message_append(m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(question->message), action, 0,
                                  interactive > 0 ? ALLOW_USER_INTERACTION : 0, "");
    if (r >= 0)
        r = sd_bus_call_async(question->polkit->bus, &question->slot, m, on_answer, question,
                              interactive > 0 ? INTERACTIVE_TIMEOUT_USEC : 0);
    sd_bus_message_unref(m);
    return r;
}

void polkit_check(Polkit *polkit, sd_bus_message *message, uid_t uid, const char *action,
                  void (*done)(const Problem *problem, void *userdata), void *userdata) {
    Problem problem = {0};
    if (uid == 0 || uid == geteuid()) {
        done(&problem, userdata);
        return;
    }
    if (!polkit->bus) {
        problem_set(&problem, PROBLEM_ACCESS_DENIED, "This service belongs to another user.");
        done(&problem, userdata);
        return;
    }
    Question *question = g_new0(Question, 1);
    *question = (Question){polkit, sd_bus_message_ref(message), NULL, done, userdata};
    g_queue_push_tail(&polkit->questions, question);
    int r = ask(question, action);
    if (r >= 0) return;
    problem_set(&problem, PROBLEM_ACCESS_DENIED, "polkit could not be asked: %s.", g_strerror(-r));
    answer(question, &problem);
}

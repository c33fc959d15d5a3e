#include "test.h"

#include <glib.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service/child.h"

static struct WorkerEnd ended;
static int n_ended;
static GString *lines;

static void on_line(const char *line, void *userdata) {
    g_string_append_printf(lines, "%s|", line);
}

static void on_ended(const struct WorkerEnd *end, void *userdata) {
    ended = *end;
    n_ended++;
}

/* Runs a shell to its end. */
static void shell(const char *script, int listen_fd) {
    static const struct ChildEvents events = {on_line, on_ended};
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    Child *child = NULL;
    Problem problem;
    n_ended = 0;
    if (lines) g_string_free(lines, TRUE);
    lines = g_string_new(NULL);
    CHECK_INT(child_new(argv, listen_fd, &events, NULL, &child, &problem), 0);
    while (!n_ended) g_main_context_iteration(NULL, TRUE);
    child_free(child);
}

static void status_and_words(void) {
    shell("echo first >&2; echo \"can't map the file\" >&2; exit 3", -1);
    CHECK_INT(ended.kind, END_EXITED);
    CHECK_INT(ended.code, 3);
    CHECK_STR(ended.words, "can't map the file");
    g_autofree char *text = worker_end_describe(&ended);
    CHECK_STR(text, "ended with status 3: can't map the file");
}

static void killed(void) {
    shell("echo all is well >&2; kill -9 $$", -1);
    CHECK_INT(ended.kind, END_KILLED);
    CHECK_INT(ended.code, SIGKILL);
    g_autofree char *text = worker_end_describe(&ended);
    CHECK_STR(text, "was killed by signal 9 (Killed)");
}

static void reads_all_lines(void) {
    shell("echo one; printf 'two\\nthree'", -1);
    CHECK_STR(lines->str, "one|two|three|");
    shell("i=0; while [ $i -lt 2000 ]; do echo 0123456789; i=$((i+1)); done", -1);
    CHECK_INT(lines->len, 2000 * 11);
}

static void words_are_bounded_and_valid(void) {
    shell("i=0; while [ $i -lt 300 ]; do printf '\\303\\251\\377' >&2; i=$((i+1)); done; exit 1",
          -1);
    CHECK(strlen(ended.words) < sizeof ended.words);
    CHECK(strlen(ended.words) > 100);
    CHECK(g_utf8_validate(ended.words, -1, NULL));
    shell("printf 'red \\033[31m\\n' >&2", -1);
    CHECK_STR(ended.words, "red  [31m");
}

/* As systemd does it: descriptor 3, its name, and the pid it is meant for; nothing else is open. */
static void hands_over_the_socket(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_setenv("NOTIFY_SOCKET", "/nowhere", TRUE);
    shell("[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES ${NOTIFY_SOCKET-none}; "
          "for i in /proc/$$/fd/*; do readlink $i; done | grep -c socket",
          fd);
    CHECK_STR(lines->str, "1 worker none|1|");
    g_unsetenv("NOTIFY_SOCKET");
    shell("echo ${LISTEN_FDS-none}; ls /proc/self/fd | wc -l", -1);
    CHECK_STR(lines->str, "none|4|"); /* the standard ones, and the directory that ls reads */
    close(fd);
}

static void does_not_exist(void) {
    static const struct ChildEvents events = {on_line, on_ended};
    const char *const argv[] = {"/nonexistent", NULL};
    Child *child = NULL;
    Problem problem;
    n_ended = 0;
    CHECK_INT(child_new(argv, -1, &events, NULL, &child, &problem), 0);
    while (!n_ended) g_main_context_iteration(NULL, TRUE);
    CHECK_INT(ended.code, 127);
    CHECK_STR(ended.words, "the program can't be executed");
    child_free(child);
}

int main(void) {
    int status = TEST_MAIN({"status_and_words", status_and_words}, {"killed", killed},
                           {"reads_all_lines", reads_all_lines},
                           {"words_are_bounded_and_valid", words_are_bounded_and_valid},
                           {"hands_over_the_socket", hands_over_the_socket},
                           {"does_not_exist", does_not_exist});
    g_string_free(lines, TRUE);
    return status;
}

/*
 * The HTTP door in front of the double of the service, for tests from outside.
 *
 *     http-door SOCKET KEY_FILE
 *
 * listens on the Unix socket and on a free port of 127.0.0.1, which it prints ("port N"), until
 * SIGTERM.
 */
#include <arpa/inet.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/http.h"
#include "fake-service.h"

static int listen_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 128) < 0)
        g_error("%s: %m", path);
    return fd;
}

static int listen_tcp(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 128) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        g_error("TCP: %m");
    printf("port %u\n", ntohs(address.sin_port));
    return fd;
}

static gboolean stop(gpointer loop) {
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

int main(int argc, char **argv) {
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Service *service = fake_service_new();
    Http *http;
    Problem why;
    if (argc != 3) return 2;
    signal(SIGPIPE, SIG_IGN);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
    if (http_new(service, &http, &why) < 0 ||
        http_listen_fd(http, listen_unix(argv[1]), false, NULL, &why) < 0 ||
        http_listen_fd(http, listen_tcp(), true, argv[2], &why) < 0)
        g_error("%s", why.text);
    fflush(stdout);
    g_unix_signal_add(SIGTERM, stop, loop);
    g_main_loop_run(loop);
    http_free(http);
    if (fake_service_n_running(service)) g_error("a request outlives the door");
    service_free(service);
    printf("bye\n");
    return 0;
}

#include "api/http-listener.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/limits.h"

struct Listener {
    Connections *connections;
    int fd;
    bool tcp;
    uint16_t port;
    ApiKeys *keys;
    unsigned source;
};

static void listener_watch(Listener *listener);

static gboolean retry(gpointer userdata) {
    listener_watch(userdata);
    return G_SOURCE_REMOVE;
}

/* The peer of a Unix socket by its uid; all of TCP is one user until a key was seen. */
static uid_t peer_user(int fd, bool tcp) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (tcp || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return (uid_t)-1;
    return peer.uid;
}

static gboolean acceptable(gint fd, GIOCondition condition, gpointer userdata) {
    Listener *listener = userdata;
    int accepted = -1;
    if (!connections_full(listener->connections)) {
        accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return G_SOURCE_CONTINUE;
    }
    if (accepted < 0) { /* no place or no descriptor: polling would spin */
        listener->source = g_timeout_add(HTTP_ACCEPT_RETRY_MSEC, retry, listener);
        return G_SOURCE_REMOVE;
    }
    uid_t user = peer_user(accepted, listener->tcp);
    if (!listener->tcp && user == (uid_t)-1)
        close(accepted);
    else
        connections_add(listener->connections, listener, user, accepted);
    return G_SOURCE_CONTINUE;
}

static void listener_watch(Listener *listener) {
    listener->source = g_unix_fd_add(listener->fd, G_IO_IN, acceptable, listener);
}

static int socket_port(int fd, bool tcp, uint16_t *ret) {
    union {
        struct sockaddr_storage storage;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return -errno;
    sa_family_t family = address.storage.ss_family;
    if (tcp != (family == AF_INET || family == AF_INET6)) return -EAFNOSUPPORT;
    *ret = !tcp ? 0 : family == AF_INET ? ntohs(address.in.sin_port) : ntohs(address.in6.sin6_port);
    return 0;
}

int listener_new(Connections *connections, int fd, bool tcp, ApiKeys *keys, Listener **ret) {
    Listener *listener = g_new0(Listener, 1);
    *listener = (Listener){.connections = connections, .fd = fd, .tcp = tcp, .keys = keys};
    int flags = fcntl(fd, F_GETFL);
    int r = flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0
                ? -errno
                : socket_port(fd, tcp, &listener->port);
    if (r < 0) {
        listener_free(listener);
        return r;
    }
    listener_watch(listener);
    *ret = listener;
    return 0;
}

Listener *listener_free(Listener *listener) {
    if (!listener) return NULL;
    if (listener->source) g_source_remove(listener->source);
    close(listener->fd);
    api_keys_free(listener->keys);
    g_free(listener);
    return NULL;
}

bool listener_is_tcp(const Listener *listener) {
    return listener->tcp;
}

uint16_t listener_port(const Listener *listener) {
    return listener->port;
}

ApiKeys *listener_keys(const Listener *listener) {
    return listener->keys;
}

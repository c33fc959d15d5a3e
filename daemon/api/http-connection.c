#include "api/http-connection.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "api/http-listener.h"
#include "api/limits.h"

#define KEY "ryzen-llm-connection"

struct Connections {
    SoupServer *server;
    GPtrArray *all; /* of Connection, not owned */
    unsigned sweep;
};

/* Lives as long as the address object that libsoup keeps for the peer. */
struct Connection {
    Connections *connections;
    const Listener *listener;
    uid_t user;
    GSocket *socket;
    int64_t deadline; /* g_get_monotonic_time(); 0: none */
    unsigned watch;
    void (*gone)(void *userdata);
    void *userdata;
};

static void request_started(SoupServer *server, SoupServerMessage *message, gpointer userdata) {
    connection_set_deadline(connection_of(message), HTTP_RECEIVE_SEC);
}

/* An answer comes now; whoever makes the client wait for it lifts the deadline. */
static void request_read(SoupServer *server, SoupServerMessage *message, gpointer userdata) {
    connection_set_deadline(connection_of(message), HTTP_SEND_SEC);
}

static gboolean sweep(gpointer userdata) {
    Connections *connections = userdata;
    int64_t now = g_get_monotonic_time();
    for (size_t i = 0; i < connections->all->len; i++) {
        Connection *connection = connections->all->pdata[i];
        if (connection->deadline == 0 || connection->deadline > now) continue;
        connection->deadline = 0;
        connection_hang_up(connection);
    }
    return G_SOURCE_CONTINUE;
}

Connections *connections_new(SoupServer *server) {
    Connections *connections = g_new0(Connections, 1);
    connections->server = server;
    connections->all = g_ptr_array_new();
    g_signal_connect(server, "request-started", G_CALLBACK(request_started), NULL);
    g_signal_connect(server, "request-read", G_CALLBACK(request_read), NULL);
    return connections;
}

Connections *connections_free(Connections *connections) {
    if (!connections) return NULL;
    g_assert(connections->all->len == 0);
    g_ptr_array_unref(connections->all);
    g_free(connections);
    return NULL;
}

bool connections_full(const Connections *connections) {
    return connections->all->len >= HTTP_CONNECTIONS_MAX;
}

static unsigned n_of_user(const Connections *connections, uid_t user) {
    unsigned n = 0;
    for (size_t i = 0; i < connections->all->len; i++)
        n += ((const Connection *)connections->all->pdata[i])->user == user;
    return n;
}

static void connection_free(gpointer data) {
    Connection *connection = data;
    Connections *connections = connection->connections;
    connection_watch(connection, NULL, NULL);
    g_ptr_array_remove_fast(connections->all, connection);
    if (connections->all->len == 0) g_clear_handle_id(&connections->sweep, g_source_remove);
    g_object_unref(connection->socket);
    g_free(connection);
}

static Connection *connection_new(Connections *connections, const Listener *listener, uid_t user,
                                  GSocket *socket) {
    Connection *connection = g_new0(Connection, 1);
    *connection = (Connection){
        .connections = connections, .listener = listener, .user = user, .socket = socket};
    g_ptr_array_add(connections->all, connection);
    if (!connections->sweep)
        connections->sweep = g_timeout_add_seconds(HTTP_SWEEP_SEC, sweep, connections);
    return connection;
}

void connections_add(Connections *connections, const Listener *listener, uid_t user, int fd) {
    GSocket *socket = g_socket_new_from_fd(fd, NULL);
    if (!socket) {
        close(fd);
        return;
    }
    if (n_of_user(connections, user) >= HTTP_CONNECTIONS_PER_USER_MAX) {
        g_object_unref(socket);
        return;
    }
    if (listener_is_tcp(listener))
        g_socket_set_option(socket, IPPROTO_TCP, TCP_NODELAY, TRUE, NULL); /* tokens are small */
    /* libsoup asks for addresses and does not look at them. The peer's is ours alone, and so a
     * place to keep who it is. */
    g_autoptr(GSocketAddress) local = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    g_autoptr(GSocketAddress) peer = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    g_object_set_data_full(G_OBJECT(peer), KEY, connection_new(connections, listener, user, socket),
                           connection_free);
    soup_server_accept_iostream(connections->server, G_IO_STREAM(stream), local, peer, NULL);
}

Connection *connection_of(SoupServerMessage *message) {
    return g_object_get_data(G_OBJECT(soup_server_message_get_remote_address(message)), KEY);
}

const Listener *connection_listener(const Connection *connection) {
    return connection->listener;
}

uid_t connection_user(const Connection *connection) {
    return connection->user;
}

void connection_set_deadline(Connection *connection, unsigned seconds) {
    connection->deadline = seconds ? g_get_monotonic_time() + seconds * G_USEC_PER_SEC : 0;
}

void connection_hang_up(Connection *connection) {
    g_socket_shutdown(connection->socket, TRUE, TRUE, NULL);
}

static gboolean hung_up(gint fd, GIOCondition condition, gpointer userdata) {
    Connection *connection = userdata;
    connection->watch = 0;
    connection->gone(connection->userdata);
    return G_SOURCE_REMOVE;
}

/* A Unix socket tells a closed peer (HUP) from one that only stopped sending; TCP does not, and
 * almost nobody does that. */
void connection_watch(Connection *connection, void (*gone)(void *userdata), void *userdata) {
    bool tcp = listener_is_tcp(connection->listener);
    GIOCondition condition = G_IO_HUP | G_IO_ERR | (tcp ? (GIOCondition)POLLRDHUP : 0);
    g_clear_handle_id(&connection->watch, g_source_remove);
    connection->gone = gone;
    connection->userdata = userdata;
    if (gone)
        connection->watch =
            g_unix_fd_add(g_socket_get_fd(connection->socket), condition, hung_up, connection);
}

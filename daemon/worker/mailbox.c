#include "worker/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct Mailbox {
    struct MailboxHandlers handlers;
    GSource *source; /* ready when something has come for the main thread */
    int wake_fd;     /* eventfd: readable when something has come for the compute thread */

    pthread_mutex_t mutex; /* all below; not a GMutex, which ThreadSanitizer cannot see */
    GQueue submitted, returned;
    bool stop, opened;
    int open_result;
    unsigned n_pings, n_pongs;
    struct Load load;
};

typedef struct MailboxSource {
    GSource source;
    Mailbox *mailbox;
} MailboxSource;

void mail_init(struct Mail *mail) {
    mail->link = (GList){.data = mail};
    atomic_init(&mail->cancelled, false);
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, void *data) {
    g_source_set_ready_time(source, -1); /* before looking: what comes meanwhile sets it again */
    mailbox_dispatch(((MailboxSource *)source)->mailbox);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {.dispatch = source_dispatch};

Mailbox *mailbox_new(GMainContext *context, const struct MailboxHandlers *handlers) {
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) return NULL;

    Mailbox *self = g_new0(Mailbox, 1);
    self->handlers = *handlers;
    self->wake_fd = wake_fd;
    pthread_mutex_init(&self->mutex, NULL);
    self->source = g_source_new(&source_funcs, sizeof(MailboxSource));
    ((MailboxSource *)self->source)->mailbox = self;
    g_source_set_static_name(self->source, "mailbox");
    g_source_attach(self->source, context);
    return self;
}

void mailbox_free(Mailbox *self) {
    if (!self) return;
    g_assert(self->submitted.length == 0 && self->returned.length == 0);
    g_source_destroy(self->source);
    g_source_unref(self->source);
    pthread_mutex_destroy(&self->mutex);
    close(self->wake_fd);
    g_free(self);
}

static void wake(Mailbox *self) {
    uint64_t one = 1;
    /* EAGAIN: the counter is full, so it is readable anyway */
    while (write(self->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void mailbox_submit(Mailbox *self, struct Mail *mail) {
    pthread_mutex_lock(&self->mutex);
    g_queue_push_tail_link(&self->submitted, &mail->link);
    pthread_mutex_unlock(&self->mutex);
    wake(self);
}

void mailbox_cancel(Mailbox *self, struct Mail *mail) {
    atomic_store(&mail->cancelled, true);
    wake(self);
}

bool mail_is_cancelled(struct Mail *mail) {
    return atomic_load(&mail->cancelled);
}

void mailbox_stop(Mailbox *self) {
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    pthread_mutex_unlock(&self->mutex);
    wake(self);
}

bool mailbox_ping(Mailbox *self) {
    pthread_mutex_lock(&self->mutex);
    bool answered = self->n_pongs == self->n_pings;
    self->n_pings++;
    pthread_mutex_unlock(&self->mutex);
    wake(self);
    return answered;
}

struct Load mailbox_load(Mailbox *self) {
    pthread_mutex_lock(&self->mutex);
    struct Load load = self->load;
    pthread_mutex_unlock(&self->mutex);
    return load;
}

void mailbox_dispatch(Mailbox *self) {
    GQueue returned;
    GList *link;

    pthread_mutex_lock(&self->mutex);
    returned = self->returned;
    g_queue_init(&self->returned);
    bool opened = self->opened;
    int result = self->open_result;
    self->opened = false;
    pthread_mutex_unlock(&self->mutex);

    if (opened) self->handlers.opened(self->handlers.userdata, result);
    while ((link = g_queue_pop_head_link(&returned)))
        self->handlers.returned(self->handlers.userdata, link->data);
}

int mailbox_fd(const Mailbox *self) {
    return self->wake_fd;
}

static void queue_append(GQueue *to, GQueue *from) {
    GList *link;
    while ((link = g_queue_pop_head_link(from))) g_queue_push_tail_link(to, link);
}

bool mailbox_take(Mailbox *self, GQueue *ret) {
    uint64_t count;
    /* before looking: what comes meanwhile wakes again */
    while (read(self->wake_fd, &count, sizeof count) < 0 && errno == EINTR) {
    }

    pthread_mutex_lock(&self->mutex);
    queue_append(ret, &self->submitted);
    self->n_pongs = self->n_pings;
    bool stop = self->stop;
    pthread_mutex_unlock(&self->mutex);
    return !stop;
}

void mailbox_opened(Mailbox *self, int result) {
    pthread_mutex_lock(&self->mutex);
    self->opened = true;
    self->open_result = result;
    pthread_mutex_unlock(&self->mutex);
    g_source_set_ready_time(self->source, 0);
}

void mailbox_return(Mailbox *self, struct Mail *mail) {
    pthread_mutex_lock(&self->mutex);
    g_queue_push_tail_link(&self->returned, &mail->link);
    pthread_mutex_unlock(&self->mutex);
    g_source_set_ready_time(self->source, 0);
}

void mailbox_set_load(Mailbox *self, const struct Load *load) {
    pthread_mutex_lock(&self->mutex);
    self->load = *load;
    pthread_mutex_unlock(&self->mutex);
}

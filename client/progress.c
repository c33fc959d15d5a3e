#include "client/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define REDRAW_USEC (G_USEC_PER_SEC / 10)
#define BAR_MAX 40
#define ERASE_LINE "\r\033[K"

struct Progress {
    bool on_terminal, drawn;
    gint64 drawn_usec;
    char *label; /* as drawn: another stage is shown at once */
};

Progress *progress_new(void) {
    Progress *progress = g_new0(Progress, 1);
    progress->on_terminal = isatty(STDERR_FILENO);
    return progress;
}

static int terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void draw(const char *label, double fraction) {
    int room = terminal_columns() - (int)g_utf8_strlen(label, -1) - 10;
    int n_cells = MIN(room, BAR_MAX), n_full = (int)(fraction * n_cells);
    fprintf(stderr, ERASE_LINE "%s ", label);
    if (n_cells >= 8) {
        fputc('[', stderr);
        for (int i = 0; i < n_cells; i++) fputc(i < n_full ? '#' : '-', stderr);
        fputs("] ", stderr);
    }
    fprintf(stderr, "%3d%%", (int)(fraction * 100));
    fflush(stderr);
}

void progress_update(Progress *progress, const char *label, uint64_t done, uint64_t total) {
    if (!progress->on_terminal || total == 0) return;
    gint64 now = g_get_monotonic_time();
    bool same = progress->drawn && g_strcmp0(label, progress->label) == 0;
    if (same && done < total && now - progress->drawn_usec < REDRAW_USEC) return;

    draw(label, (double)MIN(done, total) / (double)total);
    progress->drawn = true;
    progress->drawn_usec = now;
    if (!same) {
        g_free(progress->label);
        progress->label = g_strdup(label);
    }
}

void progress_clear(Progress *progress) {
    if (progress->drawn) fputs(ERASE_LINE, stderr);
    progress->drawn = false;
}

void progress_free(Progress *progress) {
    if (!progress) return;
    progress_clear(progress);
    g_free(progress->label);
    g_free(progress);
}

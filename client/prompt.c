#include "client/prompt.h"

#include <errno.h>
#include <glib.h>
#include <glib/gi18n.h>
#include <stdbool.h>
#include <unistd.h>

#include "client/failure.h"

static int input_read(GString *input) {
    char buffer[65536];
    ssize_t n;
    while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EBADF ? 0 : -errno; /* closed: there is nothing to read */
        g_string_append_len(input, buffer, n);
        if (input->len > PROMPT_SIZE_MAX) return -E2BIG;
    }
    return 0;
}

/* Also refuses what no D-Bus string holds: a NUL. */
static int input_check(GString *input) {
    if (!g_utf8_validate_len(input->str, input->len, NULL)) {
        failure(_("Standard input is not UTF-8 text."));
        return -EILSEQ;
    }
    while (input->len && input->str[input->len - 1] == '\n')
        g_string_truncate(input, input->len - 1);
    return 0;
}

static int input_append(GString *prompt) {
    g_autoptr(GString) input = g_string_new(NULL);
    int r = input_read(input);
    if (r < 0) {
        if (r == -E2BIG)
            failure(_("Standard input has more than %u bytes."), PROMPT_SIZE_MAX);
        else
            failure(_("Cannot read standard input: %s"), g_strerror(-r));
        return r;
    }
    r = input_check(input);
    if (r < 0) return r;
    if (prompt->len && input->len) g_string_append(prompt, "\n\n");
    g_string_append_len(prompt, input->str, (gssize)input->len);
    return 0;
}

int prompt_read(char **words, char **ret) {
    g_autoptr(GString) prompt = g_string_new(NULL);
    bool from_input = !isatty(STDIN_FILENO);
    for (char **word = words; *word; word++) {
        if (g_str_equal(*word, "-")) {
            from_input = true;
            continue;
        }
        if (prompt->len) g_string_append_c(prompt, ' ');
        g_string_append(prompt, *word);
    }
    int r = from_input ? input_append(prompt) : 0;
    if (r < 0) return r;
    if (prompt->len == 0) return -ENODATA;
    *ret = g_strdup(prompt->str);
    return 0;
}

#include "api/http-auth.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/limits.h"

#define DIGEST_SIZE 32u
#define KEY_UID_FIRST UINT32_C(0x80000000)
#define KEY_UID_LAST UINT32_C(0xfffffffd) /* -1 and -2 mean something else to the system */

struct ApiKeys {
    char *path;
    struct stat seen; /* the file as it was read */
    size_t n;
    uint8_t digests[API_KEYS_MAX][DIGEST_SIZE];
};

static void digest(const char *key, uint8_t ret[DIGEST_SIZE]) {
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = DIGEST_SIZE;
    g_checksum_update(checksum, (const guchar *)key, (gssize)strlen(key));
    g_checksum_get_digest(checksum, ret, &size);
}

static uid_t digest_uid(const uint8_t digest_bytes[DIGEST_SIZE]) {
    uint32_t bits;
    memcpy(&bits, digest_bytes, sizeof bits);
    return MIN(KEY_UID_FIRST | bits, KEY_UID_LAST);
}

static bool key_is_usable(const char *key) {
    size_t length = strlen(key);
    for (const char *c = key; *c; c++)
        if (!g_ascii_isgraph(*c)) return false;
    return length >= API_KEY_LENGTH_MIN && length <= API_KEY_LENGTH_MAX;
}

static int keys_parse(ApiKeys *keys, char *text, Problem *why) {
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (size_t i = 0; lines[i]; i++) {
        const char *line = g_strstrip(lines[i]);
        if (*line == '\0' || *line == '#') continue;
        if (!key_is_usable(line) || keys->n == API_KEYS_MAX)
            return problem_set(why, PROBLEM_INVALID_ARGUMENT,
                               "%s, line %zu: a key has %u to %u visible characters, and a file at "
                               "most %u of them.",
                               keys->path, i + 1, API_KEY_LENGTH_MIN, API_KEY_LENGTH_MAX,
                               API_KEYS_MAX);
        digest(line, keys->digests[keys->n++]);
    }
    if (keys->n == 0)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "%s has no API key.", keys->path);
    return 0;
}

static int keys_read(ApiKeys *keys, Problem *why) {
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;
    keys->n = 0;
    if (g_stat(keys->path, &keys->seen) < 0) {
        int saved = errno;
        memset(&keys->seen, 0, sizeof keys->seen);
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "The API key file %s: %s.", keys->path,
                           g_strerror(saved));
    }
    if (!S_ISREG(keys->seen.st_mode) || keys->seen.st_size > API_KEY_FILE_MAX)
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "%s is not a file of API keys.",
                           keys->path);
    if (!g_file_get_contents(keys->path, &text, &size, &error))
        return problem_set(why, PROBLEM_INVALID_ARGUMENT, "%s.", error->message);
    int r = keys_parse(keys, text, why);
    if (r < 0) keys->n = 0;
    memset(text, 0, size);
    return r;
}

static void keys_refresh(ApiKeys *keys) {
    struct stat now = {0};
    Problem why;
    if (!keys->path) return;
    (void)g_stat(keys->path, &now);
    if (now.st_ino == keys->seen.st_ino && now.st_dev == keys->seen.st_dev &&
        now.st_size == keys->seen.st_size && now.st_mtim.tv_sec == keys->seen.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == keys->seen.st_mtim.tv_nsec)
        return;
    if (keys_read(keys, &why) < 0) g_warning("Nobody can use HTTP over TCP: %s", why.text);
}

ApiKeys *api_keys_new(const char *path) {
    Problem why;
    ApiKeys *keys = g_new0(ApiKeys, 1);
    keys->path = path && *path ? g_strdup(path) : NULL;
    if (!keys->path)
        g_warning("Nobody can use HTTP over TCP: there is no file of API keys (ApiKeyFile=).");
    else if (keys_read(keys, &why) < 0)
        g_warning("Nobody can use HTTP over TCP: %s", why.text);
    return keys;
}

ApiKeys *api_keys_free(ApiKeys *keys) {
    if (!keys) return NULL;
    g_free(keys->path);
    g_free(keys);
    return NULL;
}

bool api_keys_find(ApiKeys *keys, const char *key, uid_t *ret_uid) {
    uint8_t presented[DIGEST_SIZE];
    bool found = false;
    keys_refresh(keys);
    digest(key, presented);
    for (size_t i = 0; i < keys->n; i++) {
        uint8_t difference = 0;
        for (size_t j = 0; j < DIGEST_SIZE; j++) difference |= keys->digests[i][j] ^ presented[j];
        found |= difference == 0;
    }
    if (found) *ret_uid = digest_uid(presented);
    return found;
}

/* Splits "name:port" or "name"; false when the port is not a number from 1 to 65535. */
static bool authority_is_local(const char *authority, bool *ret_has_port, uint16_t *ret_port) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        size_t length = strlen(names[i]);
        guint64 port = 0;
        if (g_ascii_strncasecmp(authority, names[i], length) != 0) continue;
        const char *rest = authority + length;
        *ret_has_port = *rest != '\0';
        if (*rest != '\0' &&
            (*rest != ':' || !g_ascii_string_to_unsigned(rest + 1, 10, 1, UINT16_MAX, &port, NULL)))
            return false;
        *ret_port = (uint16_t)port;
        return true;
    }
    return false;
}

bool host_is_local(const char *host, uint16_t port) {
    bool has_port;
    uint16_t given;
    if (!host || !authority_is_local(host, &has_port, &given)) return false;
    return has_port ? given == port : port == 80;
}

bool origin_is_local(const char *origin) {
    bool has_port;
    uint16_t port;
    const char *authority = g_str_has_prefix(origin, "http://")    ? origin + strlen("http://")
                            : g_str_has_prefix(origin, "https://") ? origin + strlen("https://")
                                                                   : NULL;
    return authority && authority_is_local(authority, &has_port, &port);
}

bool http_auth_check(ApiKeys *keys, uint16_t port, SoupMessageHeaders *headers, uid_t *ret_uid,
                     enum HttpRefusal *ret_refusal) {
    /* of a header that comes twice, a list: never equal to a name */
    const char *host = soup_message_headers_get_list(headers, "Host");
    const char *origin = soup_message_headers_get_list(headers, "Origin");
    const char *authorization = soup_message_headers_get_list(headers, "Authorization");
    if (!host_is_local(host, port)) {
        *ret_refusal = HTTP_FOREIGN_HOST;
        return false;
    }
    if (origin && !origin_is_local(origin)) {
        *ret_refusal = HTTP_FOREIGN_ORIGIN;
        return false;
    }
    if (!authorization || g_ascii_strncasecmp(authorization, "Bearer ", 7) != 0) {
        *ret_refusal = HTTP_NO_KEY;
        return false;
    }
    *ret_refusal = HTTP_WRONG_KEY;
    return api_keys_find(keys, authorization + 7, ret_uid);
}

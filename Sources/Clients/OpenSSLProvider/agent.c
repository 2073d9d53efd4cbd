#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Connections kept for the next call: one for each thread that signs at the same time. More are closed after use. */
#define IDLE_MAXIMUM 16
/* Milliseconds between attempts to connect: while the agent is being restarted, and while its queue is full. */
#define RESTART_PAUSE 20
#define QUEUE_PAUSE 5
/* Milliseconds for which the agent is not asked after a missed deadline, doubled after each further one. */
#define BREAKER_FIRST 100
#define BREAKER_LAST 3200
/* How long a call may take after that, until one is answered: a server should spend most of its time on other things. */
#define RETRY_DEADLINE 1000
/* New connections for one call. An agent that stops may close a connection before it has read its call. */
#define CONNECTIONS_MAXIMUM 3

/* The identity of the socket behind a descriptor: a program that closes descriptors that are not its own, as daemons
   do, may reuse the number for something else. */
struct connection {
    int descriptor;
    /* Who opened it: the agent's policy is applied to that user. */
    pid_t process;
    uid_t user;
    dev_t device;
    ino_t number;
};

struct agent {
    struct agent *next;
    _Atomic(struct connection *) idle[IDLE_MAXIMUM];
    /* Deadlines missed since the last answer. */
    atomic_int misses;
    /* The agent is not asked before this time of the monotonic clock. */
    _Atomic int64_t closed_until;
    /* The socket's folder. Its owner may be the agent, as may root and this process's user. */
    char folder[sizeof((struct sockaddr_un *)0)->sun_path];
    struct sockaddr_un address;
};

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void pause_for(int milliseconds) {
    struct timespec time = {0, milliseconds * 1000000L};
    nanosleep(&time, NULL);
}

/* ---- agents ---- */

/* An absolute path that fits an address and that a log can show. */
static int is_path(const char *path, size_t length) {
    if (length == 0 || length >= sizeof((struct sockaddr_un *)0)->sun_path || path[0] != '/') return 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)path[i];
        if (byte < 0x20 || byte == 0x7f) return 0;
    }
    return 1;
}

struct agent *agent_at(struct provider *provider, const char *path, size_t length) {
    struct agent *agent, *first = atomic_load(&provider->agents);
    for (agent = first; agent != NULL; agent = agent->next) {
        if (strlen(agent->address.sun_path) == length && memcmp(agent->address.sun_path, path, length) == 0) return agent;
    }
    if (!is_path(path, length)) {
        FAIL(provider, REASON_SOCKET_PATH, "it must begin with \"/\", be shorter than 108 bytes and have no control characters");
        return NULL;
    }
    agent = OPENSSL_zalloc(sizeof *agent);
    if (agent == NULL) return NULL;
    agent->address.sun_family = AF_UNIX;
    memcpy(agent->address.sun_path, path, length);
    memcpy(agent->folder, path, length);
    char *slash = strrchr(agent->folder, '/');
    if (slash != NULL) slash[slash == agent->folder ? 1 : 0] = 0;
    /* If another thread has just added the same path, both are used. */
    do agent->next = first;
    while (!atomic_compare_exchange_weak(&provider->agents, &first, agent));
    return agent;
}

const char *agent_path(const struct agent *agent) { return agent->address.sun_path; }

/* ---- connections ---- */

/* Whether the descriptor is still the connection's. */
static int is_own(const struct connection *connection) {
    struct stat status;
    return fstat(connection->descriptor, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_dev == connection->device &&
        status.st_ino == connection->number;
}

/* Whether this process opened it as its present user. */
static int is_callers(const struct connection *connection) {
    return connection->process == getpid() && connection->user == geteuid();
}

static void connection_close(struct connection *connection) {
    if (is_own(connection)) close(connection->descriptor);
    OPENSSL_free(connection);
}

void agents_free(struct provider *provider) {
    struct agent *agent = atomic_exchange(&provider->agents, NULL);
    while (agent != NULL) {
        struct agent *next = agent->next;
        for (int i = 0; i < IDLE_MAXIMUM; i++) {
            struct connection *connection = atomic_exchange(&agent->idle[i], NULL);
            if (connection != NULL) connection_close(connection);
        }
        OPENSSL_free(agent);
        agent = next;
    }
}

/* An idle connection that can be used: this process opened it as its present user, the agent has not closed it, and no
   bytes wait in it, which could only be an answer to something else. A parent process's connection stays open there;
   only this process's descriptor of it is closed. The first call that is sent after a fork or a change of the user
   closes all that were idle before, because none of them can be used. */
static struct connection *take_idle(struct agent *agent) {
    for (int i = 0; i < IDLE_MAXIMUM; i++) {
        struct connection *connection = atomic_exchange(&agent->idle[i], NULL);
        char byte;
        if (connection == NULL) continue;
        if (is_callers(connection) && is_own(connection) &&
            recv(connection->descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) {
            return connection;
        }
        connection_close(connection);
    }
    return NULL;
}

/* A connection of a call during which the process has changed its user is not kept. */
static void keep_idle(struct agent *agent, struct connection *connection) {
    for (int i = 0; i < IDLE_MAXIMUM && is_callers(connection); i++) {
        struct connection *none = NULL;
        if (atomic_compare_exchange_strong(&agent->idle[i], &none, connection)) return;
    }
    connection_close(connection);
}

/* As in AgentClient: root, this process's user, or the owner of the socket's folder unless others may write to it. */
static int is_trusted(const struct agent *agent, uid_t user) {
    struct stat folder;
    if (user == 0 || user == geteuid()) return 1;
    return stat(agent->folder, &folder) == 0 && (folder.st_mode & 022) == 0 && folder.st_uid == user;
}

/* Reports why there is no connection; `code` is the error number of connect(2). */
static void report_connection(const struct provider *provider, const struct agent *agent, int code) {
    const char *path = agent_path(agent);
    switch (code) {
        case ENOENT: FAIL(provider, REASON_SOCKET_MISSING, "socket %s", path); break;
        case ECONNREFUSED: FAIL(provider, REASON_SOCKET_REFUSED, "socket %s", path); break;
        case EACCES:
            FAIL(provider, REASON_SOCKET_DENIED, "socket %s, user %u, group %u", path, (unsigned int)geteuid(), (unsigned int)getegid());
            break;
        default: FAIL(provider, REASON_SOCKET_FAILED, "socket %s: %s", path, strerrorname_np(code)); break;
    }
}

/* Connects once. If that fails, `code` is an error number of socket(2) or connect(2), or 0 if the error has been
   reported. */
static struct connection *connect_once(struct provider *provider, struct agent *agent, int *code) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    struct stat status;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *code = descriptor < 0 ? errno : 0;
    if (descriptor < 0) return NULL;
    struct connection *connection = NULL;
    if (connect(descriptor, (const struct sockaddr *)&agent->address, sizeof agent->address) != 0 ||
        getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || fstat(descriptor, &status) != 0) {
        *code = errno;
    } else if (!is_trusted(agent, peer.uid)) {
        FAIL(
            provider, REASON_SOCKET_OWNER, "socket %s is held by uid %u: the agent runs as root, as this user or as the folder's owner",
            agent_path(agent), (unsigned int)peer.uid);
    } else if ((connection = OPENSSL_malloc(sizeof *connection)) != NULL) {
        *connection = (struct connection){descriptor, getpid(), geteuid(), status.st_dev, status.st_ino};
        return connection;
    }
    close(descriptor);
    return NULL;
}

/* How a call, or a part of it, has ended. FAILED has been reported. */
enum outcome { DONE, CLOSED_UNREAD, LATE, FAILED };

/* Connects, waiting until the deadline for an agent that is being restarted or whose queue is full. After a missed
   deadline it does not wait for an absent agent, until the agent has answered again. */
static struct connection *open_connection(struct provider *provider, struct agent *agent, int64_t deadline, enum outcome *outcome) {
    int patient = atomic_load(&agent->misses) == 0, code;
    for (;;) {
        struct connection *connection = connect_once(provider, agent, &code);
        *outcome = FAILED;
        if (connection != NULL || code == 0) return connection;
        int absent = code == ENOENT || code == ECONNREFUSED, full = code == EAGAIN;
        int wait = full ? QUEUE_PAUSE : RESTART_PAUSE, too_late = now() + wait >= deadline;
        if (full && too_late) {
            *outcome = LATE;
            return NULL;
        }
        if (!full && !(absent && patient && !too_late) && code != EINTR) {
            /* Threads that waited together count once. */
            int none = 0;
            if (absent && patient) atomic_compare_exchange_strong(&agent->misses, &none, 1);
            report_connection(provider, agent, code);
            return NULL;
        }
        pause_for(wait);
    }
}

/* ---- calls ---- */

/* Waits until the descriptor is ready or the deadline has passed. */
static int wait_for(int descriptor, short events, int64_t deadline) {
    for (;;) {
        int64_t left = deadline - now();
        struct pollfd waited = {descriptor, events, 0};
        if (left <= 0) return 0;
        int ready = poll(&waited, 1, (int)left);
        if (ready > 0) return 1;
        if (ready < 0 && errno != EINTR) return 0;
    }
}

static enum outcome send_call(const struct connection *connection, struct json call, int64_t deadline) {
    /* With the NUL that ends it. */
    size_t sent = 0, length = call.length + 1;
    while (sent < length) {
        ssize_t count = send(connection->descriptor, call.bytes + sent, length - sent, MSG_NOSIGNAL);
        if (count >= 0) {
            sent += (size_t)count;
        } else if (errno == EAGAIN) {
            if (!wait_for(connection->descriptor, POLLOUT, deadline)) return LATE;
        } else if (errno != EINTR) {
            return CLOSED_UNREAD;
        }
    }
    return DONE;
}

static enum outcome read_answer(
    struct provider *provider, const struct connection *connection, struct json *answer, int64_t deadline) {
    size_t size = 2048, length = 0;
    char *bytes = OPENSSL_malloc(size);
    enum outcome outcome = FAILED;
    while (bytes != NULL) {
        if (!wait_for(connection->descriptor, POLLIN, deadline)) {
            outcome = LATE;
            break;
        }
        ssize_t count = recv(connection->descriptor, bytes + length, size - length, 0);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count <= 0) {
            if (length == 0) outcome = CLOSED_UNREAD;
            else FAIL(provider, REASON_MALFORMED, "it ended after %zu bytes", length);
            break;
        }
        const char *end = memchr(bytes + length, 0, (size_t)count);
        length += (size_t)count;
        if (end == bytes + length - 1) {
            *answer = (struct json){bytes, length - 1};
            return DONE;
        }
        if (end != NULL || length == AGENT_ANSWER_MAXIMUM) {
            FAIL(provider, REASON_MALFORMED, "%s", end != NULL ? "more follows it" : "it is too long");
            break;
        }
        if (length == size) {
            char *longer = OPENSSL_realloc(bytes, size * 2);
            if (longer == NULL) break;
            bytes = longer;
            size *= 2;
        }
    }
    OPENSSL_free(bytes);
    return outcome;
}

/* Whether the agent may be asked. After the pause one caller tries; others are refused until that call has ended. */
static int breaker_admits(struct provider *provider, struct agent *agent, int64_t start, int64_t deadline) {
    int64_t until = atomic_load(&agent->closed_until);
    if (until == 0) return 1;
    if (start >= until && atomic_compare_exchange_strong(&agent->closed_until, &until, deadline)) return 1;
    FAIL(provider, REASON_BREAKER, "socket %s", agent_path(agent));
    return 0;
}

/* The agent is running but did not answer in time. Threads that waited together count once. */
static void breaker_opens(struct agent *agent, int64_t deadline) {
    int64_t time = now(), pause = BREAKER_FIRST, until = atomic_load(&agent->closed_until);
    if (until > time && until != deadline) return;
    for (int misses = atomic_fetch_add(&agent->misses, 1); misses > 0 && pause < BREAKER_LAST; misses--) pause *= 2;
    atomic_compare_exchange_strong(&agent->closed_until, &until, time + pause);
}

int agent_call(
    struct provider *provider, struct agent *agent, struct json call, enum connection_use use, struct json *answer) {
    int64_t start = now(), deadline = start + (atomic_load(&agent->misses) == 0 ? AGENT_DEADLINE : RETRY_DEADLINE);
    if (!breaker_admits(provider, agent, start, deadline)) return 0;
    enum outcome outcome = FAILED;
    struct connection *connection = take_idle(agent);
    for (int opened = 0;;) {
        if (connection == NULL) {
            if (opened++ == CONNECTIONS_MAXIMUM) break;
            connection = open_connection(provider, agent, deadline, &outcome);
            if (connection == NULL) break;
        }
        outcome = send_call(connection, call, deadline);
        if (outcome == DONE) outcome = read_answer(provider, connection, answer, deadline);
        if (outcome == DONE) break;
        connection_close(connection);
        connection = NULL;
        if (outcome != CLOSED_UNREAD) break;
    }
    switch (outcome) {
        case DONE:
            atomic_store(&agent->misses, 0);
            atomic_store(&agent->closed_until, 0);
            if (use == CONNECTION_KEPT) keep_idle(agent, connection);
            else connection_close(connection);
            return 1;
        case LATE:
            breaker_opens(agent, deadline);
            FAIL(provider, REASON_DEADLINE, "socket %s, %d ms", agent_path(agent), (int)(deadline - start));
            return 0;
        case CLOSED_UNREAD: FAIL(provider, REASON_CLOSED, "socket %s", agent_path(agent)); break;
        default: break;
    }
    /* If this call was the one try after a pause, the next caller may try at once. */
    atomic_compare_exchange_strong(&agent->closed_until, &deadline, 0);
    return 0;
}

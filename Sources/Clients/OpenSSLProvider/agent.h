#pragma once

#include <stddef.h>

#include "message.h"
#include "provider.h"

/* An agent: its socket's path, idle connections to it, and whether it answered lately. Never blocks for longer than
   AGENT_DEADLINE. May be used by many threads, and by a process that has forked: there are no locks, and a connection
   is used only by the process and the user that opened it. */
struct agent;

/* Time limit for one call, including connecting (milliseconds). A server's thread does nothing else in that time. */
#define AGENT_DEADLINE 3000
/* An answer has a signature or a key's description: 2 KiB. */
#define AGENT_ANSWER_MAXIMUM 65536

/* The agent at that path; one for each path. NULL if the path cannot be one, which has been reported. */
struct agent *agent_at(struct provider *provider, const char *path, size_t length);
void agents_free(struct provider *provider);

const char *agent_path(const struct agent *agent);

/* What becomes of a call's connection. A server loads keys before it forks and changes its user: a connection that was
   kept then would let its workers speak to the agent as the former user. */
enum connection_use { CONNECTION_CLOSED, CONNECTION_KEPT };

/* Sends one call and waits for its answer. The caller frees `answer->bytes`, with OPENSSL_free. 0 if there is none,
   which has been reported. A call may be sent twice, which is harmless for every call that is sent here. */
int agent_call(
    struct provider *provider, struct agent *agent, struct json call, enum connection_use use, struct json *answer);

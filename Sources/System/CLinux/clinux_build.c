#include "clinux_build.h"

#include <stddef.h>

/* Package.swift defines these from the environment. */
#ifndef ACME_AGENT_BUILD_COMMIT
#define ACME_AGENT_BUILD_COMMIT NULL
#endif
#ifndef ACME_AGENT_BUILD_DATE
#define ACME_AGENT_BUILD_DATE NULL
#endif
#ifndef ACME_AGENT_BUILD_COMPILER
#define ACME_AGENT_BUILD_COMPILER NULL
#endif
#ifndef ACME_AGENT_BUILD_DEPENDENCIES
#define ACME_AGENT_BUILD_DEPENDENCIES NULL
#endif

const char *clinux_build_commit(void) { return ACME_AGENT_BUILD_COMMIT; }

const char *clinux_build_date(void) { return ACME_AGENT_BUILD_DATE; }

const char *clinux_build_compiler(void) { return ACME_AGENT_BUILD_COMPILER; }

const char *clinux_build_dependencies(void) { return ACME_AGENT_BUILD_DEPENDENCIES; }

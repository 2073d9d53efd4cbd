#pragma once

/* What Linux offers and Swift's Glibc module does not: one header a topic. */
#include "clinux_process.h"
#include "clinux_spawn.h"
#include "clinux_notify.h"
#include "clinux_hook.h"
#include "helper_process.h"

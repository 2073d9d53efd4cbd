#pragma once

/* What Linux offers but Swift's Glibc module does not; one header per topic. */
#include "clinux_build.h"
#include "clinux_process.h"
#include "clinux_spawn.h"
#include "clinux_status.h"
#include "clinux_datagram.h"
#include "clinux_journal.h"
#include "clinux_hook.h"
#include "clinux_credential.h"
#include "clinux_lock.h"
#include "clinux_rename.h"
#include "clinux_connect.h"
#include "helper_process.h"

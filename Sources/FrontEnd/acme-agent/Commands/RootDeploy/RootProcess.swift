import Glibc

/// What root's command would otherwise take over from the user who has started it, through sudo(8) for example: each of
/// these could have root's hooks fail half-way, or their failure go unnoticed.
enum RootProcess {
    /// Folder, mask, limits and signals as a program of root's expects them.
    static func settle() throws(Failure) {
        // Hooks start where root says.
        guard chdir("/") == 0 else { throw Failure("internal", .failed, "chdir: \(String(cString: strerror(errno)))") }
        umask(0o077)
        for (resource, least) in limits { raise(resource, atLeast: least) }
        // A core file has what a hook had in memory. A program that core_pattern names with a pipe gets it all the same,
        // unless it respects the limit, as systemd-coredump does (core(5)).
        var none = rlimit()
        guard setrlimit(RLIMIT_CORE.number, &none) == 0 else {
            throw Failure("internal", .failed, "setrlimit: \(String(cString: strerror(errno)))")
        }
        // A child whose end is ignored leaves no exit code: a hook that has failed would have succeeded.
        for number in [SIGCHLD, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2] { signal(number, SIG_DFL) }
    }

    /// What a program may count on.
    private static let limits: [(__rlimit_resource, rlim_t)] = [
        (RLIMIT_FSIZE, .max), (RLIMIT_CPU, .max), (RLIMIT_AS, .max), (RLIMIT_DATA, .max), (__RLIMIT_NPROC, .max),
        (RLIMIT_STACK, 8 << 20), (RLIMIT_NOFILE, 1_024),
    ]
    /// The kernel's `fs.nr_open` is never lower by default.
    private static let mostFiles: rlim_t = 524_288

    /// Where the hard limit cannot be raised (the unit has no CAP_SYS_RESOURCE), the soft one is raised up to it: the
    /// service manager has set that one.
    private static func raise(_ resource: __rlimit_resource, atLeast least: rlim_t) {
        var limit = rlimit()
        guard getrlimit(resource.number, &limit) == 0 else { return }
        for hard in [max(limit.rlim_max, resource == RLIMIT_NOFILE ? mostFiles : .max), limit.rlim_max] {
            var raised = rlimit(rlim_cur: max(limit.rlim_cur, min(hard, least)), rlim_max: hard)
            if setrlimit(resource.number, &raised) == 0 { return }
        }
    }
}

extension __rlimit_resource {
    fileprivate var number: __rlimit_resource_t { __rlimit_resource_t(rawValue) }
}

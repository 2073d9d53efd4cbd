/// How the program ends; Docs/cli.md has the same table.
enum ExitStatus: Int32, CaseIterable {
    case success = 0
    /// Anything that has no status of its own.
    case failed = 1
    /// The agent's policy, or a key that is not there for this user, which looks the same.
    case refused = 2
    /// The agent is not reachable, or it cannot sign: token, audit trail.
    case agentUnavailable = 3
    /// The CA refused, or answered what it must not.
    case caRefused = 4
    /// The CA did not find the answer to a challenge.
    case validationFailed = 5
    /// `--check`: the command was done, and has found something that its user has to do something about.
    case attention = 6
    /// sysexits.h EX_USAGE
    case usage = 64
    /// sysexits.h EX_TEMPFAIL: the same command may succeed later.
    case temporary = 75
    /// sysexits.h EX_CONFIG
    case configuration = 78
    /// 128 + SIGINT, as a shell has it.
    case interrupted = 130
    /// 128 + SIGTERM
    case terminated = 143
}

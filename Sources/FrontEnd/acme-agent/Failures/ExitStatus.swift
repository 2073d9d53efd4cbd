/// The program's exit statuses; Docs/cli.md has the same table.
enum ExitStatus: Int32, CaseIterable {
    case success = 0
    /// Any failure without its own status.
    case failed = 1
    /// Refused by the agent's policy, or no such key for this user; the two look the same.
    case refused = 2
    /// The agent is not reachable, or cannot sign because of its token or audit trail.
    case agentUnavailable = 3
    /// The CA refused, or gave an answer that it must not give.
    case caRefused = 4
    /// The CA could not validate a challenge, or the challenge could not be set up.
    case validationFailed = 5
    /// `--check`: the command succeeded and found something that needs attention.
    case attention = 6
    /// sysexits.h EX_USAGE
    case usage = 64
    /// sysexits.h EX_TEMPFAIL: the same command may succeed later.
    case temporary = 75
    /// sysexits.h EX_CONFIG
    case configuration = 78
    /// 128 + SIGINT, as in a shell.
    case interrupted = 130
    /// 128 + SIGTERM
    case terminated = 143
}

import Glibc

/// Lines on standard error, which the daemon passes on to the journal.
enum Log {
    /// Something went wrong and the helper goes on.
    static func warning(_ message: String) {
        // What comes from a token is not trusted with a terminal.
        let line = "acme-agent-token: warning: \(message)".utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 } + [0x0A]
        _ = Glibc.write(STDERR_FILENO, line, line.count)
    }
}

/// What the helper's end tells its parent.
enum ExitCode {
    static let success: Int32 = 0
    /// The arguments or the frames are not what the daemon sends.
    static let misuse: Int32 = 64
    /// The process could not be hardened or its threads not started.
    static let system: Int32 = 71
    /// The token did not come back by anything a process can do.
    static let tokenLost: Int32 = 75
    /// The module has leaked too much memory.
    static let grown: Int32 = 76
}

import Glibc

/// Lines on standard error, which the helper inherits from the daemon: under systemd, the journal.
enum Log {
    /// Reports a problem, after which the helper continues or exits.
    static func warning(_ message: String) {
        let line = Array("acme-agent-token: warning: \(escaped(message))\n".utf8)
        _ = Glibc.write(STDERR_FILENO, line, line.count)
    }

    /// Text from a token or its module is not safe for a terminal: only printable ASCII is kept as it is. U+009B starts
    /// an escape sequence as ESC does, and U+202E shows a name backwards.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar.value >= 0x20, scalar.value < 0x7F {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
            }
        }
        return result
    }
}

/// What the helper's exit status tells its parent.
enum ExitCode {
    static let success: Int32 = 0
    /// The arguments or the frames are not what the daemon sends.
    static let misuse: Int32 = 64
    /// The process could not be hardened or its threads not started.
    static let system: Int32 = 71
    /// Nothing that a process can do has brought the token back.
    static let tokenLost: Int32 = 75
    /// The module has leaked too much memory.
    static let grown: Int32 = 76
}

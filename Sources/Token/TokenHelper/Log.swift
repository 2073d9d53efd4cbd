import CLinux
import Glibc
import Synchronization

/// Lines on standard error, which the helper inherits from the daemon: under systemd, the journal.
enum Log {
    /// Bytes of one line; a longer one is cut. A pipe with room takes so many without waiting (PIPE_BUF, pipe(7)).
    static let lineBytes = 4_096

    /// Lines that standard error had no room for.
    private static let lost = Mutex(0)

    /// Reports a problem, after which the helper continues or exits. Does not wait: a reader that stops reading must not
    /// stop signing.
    static func warning(_ message: String) { write(message, to: STDERR_FILENO, hasPriority: isJournal) }

    /// Whether standard error leads to systemd's journal (`JOURNAL_STREAM`, systemd.exec(5)): then a line begins with its
    /// level.
    private static let isJournal = getenv("JOURNAL_STREAM").map { clinux_is_stream(STDERR_FILENO, $0) } ?? false

    /// Writes a line if there is room for it, and otherwise counts it; the count is in the next line that is written.
    /// - Parameter hasPriority: Whether the line begins with `<4>`, a warning's level in sd-daemon(3).
    static func write(_ message: String, to descriptor: Int32, hasPriority: Bool = false) {
        // One thread at a time, or two could find the same room. The descriptor stays blocking: the daemon shares it.
        lost.withLock { lost in
            var room = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&room, 1, 0) == 1, room.revents & Int16(POLLOUT) != 0 else {
                lost += 1
                return
            }
            let before = lost == 0 ? "" : " (before it, \(lost) lines were lost, because nobody read them)"
            var line = Array(
                "\(hasPriority ? "<4>" : "")acme-agent-token: warning: \(escaped(message))\(before)".utf8.prefix(lineBytes - 1))
            line.append(0x0A)
            if Glibc.write(descriptor, line, line.count) > 0 { lost = 0 }
        }
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

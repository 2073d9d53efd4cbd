import Glibc
import Synchronization

/// Writes lines to the journal or to standard error. Used on one thread, which may wait; the event loop's never does.
final class LogWriter: Sendable {
    /// Whose lines they are.
    static let label = "acme-agentd"
    /// How often a journal without room is asked again, and after how many microseconds: for half a second in all.
    private static let tries = 25
    private static let pause: useconds_t = 20_000

    private let descriptor: CInt
    private let journal: JournalSocket?
    /// Whether the journal did not take the last line.
    private let isFailing = Mutex(false)

    init(descriptor: CInt, journal: JournalSocket?) {
        self.descriptor = descriptor
        self.journal = journal
    }

    func write(_ entry: LogEntry) {
        guard let journal else { return write(entry.line(hasPriority: false)) }
        let wasFailing = isFailing.withLock { $0 }
        let code = send(entry, to: journal, patiently: !wasFailing)
        isFailing.withLock { $0 = code != 0 }
        if code == 0 {
            guard wasFailing else { return }
            _ = send(
                LogEntry(.journalAvailable, label: LogWriter.label, "the journal's socket takes log lines again", []), to: journal,
                patiently: false)
            return
        }
        // Standard error leads to the journal too, by another way, which has no fields but the level.
        if !wasFailing {
            let why = String(cString: strerror(code))
            write(
                LogEntry(
                    .journalUnavailable, label: LogWriter.label,
                    "the journal's socket takes no log lines; they go to standard error, without fields", [(.why, why)]
                ).line(hasPriority: true))
        }
        write(entry.line(hasPriority: true))
    }

    /// - Parameter patiently: Whether to wait a moment for room. After a failure nobody waits until one line was taken.
    /// - Returns: 0 or `errno`.
    private func send(_ entry: LogEntry, to journal: JournalSocket, patiently: Bool) -> CInt {
        var bytes = entry.datagram()
        var tries = patiently ? LogWriter.tries : 1
        while true {
            let code = journal.send(bytes)
            switch code {
            case EMSGSIZE:
                let shorter = entry.datagram(valueBytes: LogEntry.fewerValueBytes)
                guard shorter.count < bytes.count else { return code }
                bytes = shorter
            case EAGAIN, EINTR, ENOBUFS:
                tries -= 1
                guard tries > 0 else { return code }
                usleep(LogWriter.pause)
            default: return code
            }
        }
    }

    private func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wanted, 1, -1)
            } else if errno != EINTR {
                // There is no reader any more.
                return
            }
        }
    }
}

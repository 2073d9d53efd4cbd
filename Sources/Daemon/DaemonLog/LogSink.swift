import Dispatch
import Glibc
import Synchronization

/// Where the daemon's log lines go: into a bounded buffer, and from there, on a separate thread, to the journal or to
/// standard error. Logging never waits: if the reader does not keep up, lines are left out and counted, and the count is
/// logged when it reads again.
///
/// Lines that a user causes (those below `error` whose metadata has a `uid`) are also limited for each user, so that one
/// user's flood neither fills the journal nor displaces the lines of others.
public final class LogSink: Sendable {
    /// Bytes of lines that wait for the reader.
    static let storeBytes = 1024 * 1024
    /// Lines and bytes of one user in one window, and the length of the window in milliseconds.
    static let linesPerUser = 200
    static let bytesPerUser = 64 * 1024
    public static let window: UInt64 = 60_000
    /// How long the program waits for the reader when it exits, in milliseconds.
    static let endWait = 1_000

    private struct Window {
        var start: UInt64
        var lines = 0
        var bytes = 0
        var leftOut = 0
    }

    private struct State {
        var entries: [LogEntry] = []
        var bytes = 0
        var lost = 0
        var isWriting = false
        var windows: [String: Window] = [:]
        /// When the users' counts were last checked.
        var looked: UInt64 = 0
    }

    private let writer: LogWriter
    private let queue = DispatchQueue(label: "log")
    private let state = Mutex(State())
    private let window: UInt64
    private let now: @Sendable () -> UInt64

    /// - Parameters:
    ///   - descriptor: Where to write; the caller closes it.
    ///   - journal: The journal's socket, if the descriptor leads to the journal.
    ///   - window: Length of a user's window in milliseconds.
    ///   - now: A clock in milliseconds.
    public init(
        descriptor: CInt = STDERR_FILENO, journal: JournalSocket? = nil, window: UInt64 = LogSink.window,
        now: @escaping @Sendable () -> UInt64 = LogSink.milliseconds
    ) {
        writer = LogWriter(descriptor: descriptor, journal: journal)
        self.window = window
        self.now = now
    }

    public static let milliseconds: @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds / 1_000_000 }

    /// Accepts a line, or counts it.
    /// - Parameter user: The user who caused it.
    func write(_ entry: LogEntry, user: String?) {
        let time = now()
        let starts = state.withLock { state -> Bool in
            let tells = tellLeftOut(&state, time)
            if let user, !allows(&state, user, entry.size, time) { return tells }
            return store(&state, entry) || tells
        }
        if starts { queue.async { self.drain() } }
    }

    /// Reports all counts, and waits until everything is written or the reader's time is up.
    public func flush() {
        if state.withLock({ tellLeftOut(&$0, now(), ofWindowsUnderWay: true) }) { queue.async { self.drain() } }
        let semaphore = DispatchSemaphore(value: 0)
        queue.async { semaphore.signal() }
        _ = semaphore.wait(timeout: .now() + .milliseconds(LogSink.endWait))
    }

    /// - Returns: Whether a writer must be started.
    private func store(_ state: inout State, _ entry: LogEntry) -> Bool {
        let size = entry.size
        guard state.bytes + size <= LogSink.storeBytes else {
            state.lost += 1
            return false
        }
        state.entries.append(entry)
        state.bytes += size
        defer { state.isWriting = true }
        return !state.isWriting
    }

    private func allows(_ state: inout State, _ user: String, _ bytes: Int, _ time: UInt64) -> Bool {
        var window = state.windows[user] ?? Window(start: time)
        window.lines += 1
        window.bytes += bytes
        let isAllowed = window.lines <= LogSink.linesPerUser && window.bytes <= LogSink.bytesPerUser
        if !isAllowed {
            window.leftOut += 1
            if window.leftOut == 1 { tellAtTheEnd(of: window, time) }
        }
        state.windows[user] = window
        return isAllowed
    }

    /// Reports the count even if nothing more is logged.
    private func tellAtTheEnd(of window: Window, _ time: UInt64) {
        let left = Int(clamping: self.window &- min(self.window, time &- window.start))
        queue.asyncAfter(deadline: .now() + .milliseconds(left)) { [weak self] in
            guard let self else { return }
            let starts = state.withLock { state in
                state.looked = 0
                return self.tellLeftOut(&state, self.now())
            }
            if starts { drain() }
        }
    }

    /// Reports how many lines of each user were left out in windows that are over.
    /// - Returns: Whether a writer must be started.
    private func tellLeftOut(_ state: inout State, _ time: UInt64, ofWindowsUnderWay: Bool = false) -> Bool {
        // At most once a second, however many lines come.
        guard ofWindowsUnderWay || time &- state.looked >= 1_000 else { return false }
        state.looked = time
        var starts = false
        for (user, window) in state.windows where ofWindowsUnderWay || time &- window.start >= self.window {
            state.windows[user] = nil
            guard window.leftOut > 0 else { continue }
            let text = "left out \(window.leftOut) log lines caused by uid \(user) within a minute"
            // Without the field `uid`, since it is no line of the user's.
            if store(&state, LogEntry(.logLinesLeftOut, label: LogWriter.label, text, [(.count, "\(window.leftOut)")])) { starts = true }
        }
        return starts
    }

    private func drain() {
        while true {
            let (entries, lost) = state.withLock { state -> ([LogEntry], Int) in
                let taken = (state.entries, state.lost)
                state.entries = []
                state.bytes = 0
                state.lost = 0
                if taken.0.isEmpty, taken.1 == 0 { state.isWriting = false }
                return taken
            }
            if entries.isEmpty, lost == 0 { return }
            for entry in entries { writer.write(entry) }
            if lost > 0 {
                let text = "\(lost) log lines were lost, because the log was not read"
                writer.write(LogEntry(.logLinesLost, label: LogWriter.label, text, [(.count, "\(lost)")]))
            }
        }
    }
}

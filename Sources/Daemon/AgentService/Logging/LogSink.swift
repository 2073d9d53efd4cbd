import Dispatch
import Glibc
import Logging
import Synchronization

/// Where the daemon's log lines go: into a bounded buffer, and from there to standard error on a separate thread.
/// Logging never waits: if the reader of standard error does not keep up, lines are left out and counted, and the count
/// is logged when it reads again.
///
/// Lines that a user causes (those whose metadata has a `uid`) are also limited for each user, so that one user's flood
/// neither fills the journal nor displaces the lines of others.
public final class LogSink: Sendable {
    /// Bytes of lines that wait for the reader.
    static let storeBytes = 1024 * 1024
    /// Bytes of one line; a longer line is cut.
    static let lineBytes = 4 * 1024
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
        var lines: [[UInt8]] = []
        var bytes = 0
        var lost = 0
        var isWriting = false
        var windows: [String: Window] = [:]
        /// When the users' counts were last checked.
        var looked: UInt64 = 0
    }

    private let descriptor: CInt
    private let queue = DispatchQueue(label: "log")
    private let state = Mutex(State())
    private let window: UInt64
    private let now: @Sendable () -> UInt64

    /// - Parameters:
    ///   - descriptor: Where to write; the caller closes it.
    ///   - window: Length of a user's window in milliseconds.
    ///   - now: A clock in milliseconds.
    public init(
        descriptor: CInt = STDERR_FILENO, window: UInt64 = LogSink.window, now: @escaping @Sendable () -> UInt64 = LogSink.milliseconds
    ) {
        self.descriptor = descriptor
        self.window = window
        self.now = now
    }

    public static let milliseconds: @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds / 1_000_000 }

    /// Accepts a line, or counts it.
    /// - Parameter user: The user who caused it.
    func write(_ line: String, user: String?) {
        var bytes = Array(line.utf8.prefix(LogSink.lineBytes))
        bytes.append(UInt8(ascii: "\n"))
        let time = now()
        let starts = state.withLock { state -> Bool in
            tellLeftOut(&state, time)
            if let user, !allows(&state, user, bytes.count, time) { return false }
            return store(&state, bytes)
        }
        if starts { queue.async { self.drain() } }
    }

    /// Reports all counts, and waits until everything is written or the reader's time is up.
    public func flush() {
        state.withLock { tellLeftOut(&$0, now(), ofWindowsUnderWay: true) }
        let semaphore = DispatchSemaphore(value: 0)
        queue.async { semaphore.signal() }
        _ = semaphore.wait(timeout: .now() + .milliseconds(LogSink.endWait))
    }

    /// - Returns: Whether a writer must be started.
    private func store(_ state: inout State, _ bytes: [UInt8]) -> Bool {
        guard state.bytes + bytes.count <= LogSink.storeBytes else {
            state.lost += 1
            return false
        }
        state.lines.append(bytes)
        state.bytes += bytes.count
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
            state.withLock { state in
                state.looked = 0
                self.tellLeftOut(&state, self.now())
            }
        }
    }

    /// Reports how many lines of each user were left out in windows that are over.
    private func tellLeftOut(_ state: inout State, _ time: UInt64, ofWindowsUnderWay: Bool = false) {
        // At most once a second, however many lines come.
        guard ofWindowsUnderWay || time &- state.looked >= 1_000 else { return }
        state.looked = time
        for (user, window) in state.windows where ofWindowsUnderWay || time &- window.start >= self.window {
            state.windows[user] = nil
            guard window.leftOut > 0 else { continue }
            let text = "acme-agentd: warning: left out \(window.leftOut) log lines caused by uid \(user) within a minute\n"
            if store(&state, Array(text.utf8)) { queue.async { self.drain() } }
        }
    }

    private func drain() {
        while true {
            let (lines, lost) = state.withLock { state -> ([[UInt8]], Int) in
                let taken = (state.lines, state.lost)
                state.lines = []
                state.bytes = 0
                state.lost = 0
                if taken.0.isEmpty, taken.1 == 0 { state.isWriting = false }
                return taken
            }
            if lines.isEmpty, lost == 0 { return }
            for line in lines { write(line) }
            if lost > 0 { write(Array("acme-agentd: warning: \(lost) log lines were lost, because the log was not read\n".utf8)) }
        }
    }

    /// On the sink's own thread, which may wait.
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

/// A log handler whose lines go to a ``LogSink``.
public struct SinkLogHandler: LogHandler {
    public var logLevel = Logger.Level.info
    public var metadata = Logger.Metadata()
    private let label: String
    private let sink: LogSink

    public init(label: String, sink: LogSink) {
        self.label = label
        self.sink = sink
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var all = metadata
        if let own = event.metadata { all.merge(own) { $1 } }
        var line = SinkLogHandler.timestamp() + " \(event.level) \(label): \(event.message)"
        // Many members have a value only sometimes, such as a hint.
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            let text = "\(value)"
            if !text.isEmpty { line += " \(key)=\(text)" }
        }
        sink.write(line, user: all["uid"].map { "\($0)" })
    }

    /// In the format of swift-log's own handler.
    private static func timestamp() -> String {
        var time = time(nil), parts = tm()
        guard localtime_r(&time, &parts) != nil else { return "" }
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S%z", &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

import DaemonLog
import Logging
import Synchronization

/// Keeps what is logged: the message, and the metadata in order. For tests only.
public struct LogRecorder: LogHandler {
    public final class Lines: Sendable {
        public let texts = Mutex<[String]>([])
        /// Lines whose event is not of the list, or that have a field that the event does not list.
        public let unlisted = Mutex<[String]>([])

        public init() {}
    }

    private let lines: Lines
    public var metadata: Logger.Metadata = [:]
    public var logLevel = Logger.Level.trace

    public init(lines: Lines) { self.lines = lines }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let text = "\(event.message) \(all.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " "))"
        lines.texts.withLock { $0.append(text) }
        guard let name = all[LogField.event.rawValue], let known = DaemonEvent(rawValue: "\(name)"), known.level == event.level,
            all.keys.allSatisfy({ key in key == LogField.event.rawValue || known.fields.contains { $0.rawValue == key } })
        else { return lines.unlisted.withLock { $0.append(text) } }
    }
}

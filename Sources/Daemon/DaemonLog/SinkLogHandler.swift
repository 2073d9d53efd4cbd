import Logging

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
        // An error is not the caller's, who must not be able to have it left out.
        let user = event.level >= .error ? nil : all[LogField.uid.rawValue].map { "\($0)" }
        var fields: [(name: String, value: String)] = []
        if let name = all.removeValue(forKey: LogField.event.rawValue) { fields.append((LogField.event.rawValue, "\(name)")) }
        // Many have a value only sometimes, such as a hint.
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            let text = "\(value)"
            if !text.isEmpty { fields.append((key, text)) }
        }
        sink.write(LogEntry(level: event.level, label: label, message: "\(event.message)", fields: fields), user: user)
    }
}

import Logging

/// The daemon's logger. Each line names its event, and so a line without one does not compile.
public struct DaemonLogger: Sendable {
    private var logger: Logger

    public init(_ logger: Logger) { self.logger = logger }

    /// Logs at the event's level. Nothing is computed for a line that nobody wants.
    /// - Parameters:
    ///   - message: A sentence for a person.
    ///   - fields: Those without a value are left out.
    public func log(
        _ event: DaemonEvent, _ message: @autoclosure () -> String, _ fields: @autoclosure () -> [LogField: String] = [:]
    ) {
        let level = event.level
        guard level >= logger.logLevel else { return }
        var metadata: Logger.Metadata = [LogField.event.rawValue: .string(event.rawValue)]
        for (field, value) in fields() where !value.isEmpty { metadata[field.rawValue] = .string(value) }
        logger.log(level: level, "\(message())", metadata: metadata)
    }

    /// A logger whose lines all have a field.
    public func with(_ field: LogField, _ value: String) -> DaemonLogger {
        var copy = self
        copy.logger[metadataKey: field.rawValue] = .string(value)
        return copy
    }
}

import ACME
import Logging

/// Makes every text of a log line safe before another handler writes it. A token's label, a caller's key name or a CA's
/// URL may contain control characters, which would move a terminal's cursor or forge a line, or marks that show a name
/// backwards. Nothing else does this, so no caller of the logger can forget it.
public struct SafeLogHandler: LogHandler {
    /// Unicode scalars of one value; otherwise the thousand names of a request would fill the journal.
    private static let limit = 4_096

    private var handler: any LogHandler

    public init(_ handler: any LogHandler) { self.handler = handler }

    public var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = SafeLogHandler.safe(newValue) }
    }

    public var logLevel: Logger.Level {
        get { handler.logLevel }
        set { handler.logLevel = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue.map(SafeLogHandler.safe) }
    }

    public func log(event: LogEvent) {
        var event = event
        event.message = "\(SafeLogHandler.safe(event.message.description))"
        event.metadata = event.metadata.map(SafeLogHandler.safe)
        handler.log(event: event)
    }

    /// Text from elsewhere, made safe for a log.
    static func safe(_ text: String) -> String { TerminalText.safe(text, limit: limit) }

    private static func safe(_ metadata: Logger.Metadata) -> Logger.Metadata {
        Dictionary(metadata.map { (safe($0.key), safe($0.value)) }) { first, _ in first }
    }

    private static func safe(_ value: Logger.Metadata.Value) -> Logger.Metadata.Value {
        switch value {
        case .string(let text): .string(safe(text))
        case .stringConvertible(let value): .string(safe(value.description))
        case .array(let values): .array(values.map(safe))
        case .dictionary(let metadata): .dictionary(safe(metadata))
        }
    }
}

import Glibc
import Logging

/// One line of the log, before it is written for standard error or for the journal.
struct LogEntry: Sendable {
    /// Bytes of a line for standard error; a longer one is cut.
    static let lineBytes = 4 * 1024
    /// Bytes of a value in the journal; a longer one is cut. Sixteen of them are far below what a Unix datagram holds by
    /// default (`net.core.wmem_default`, 208 KiB).
    static let valueBytes = 4 * 1024
    /// The same where the system allows less.
    static let fewerValueBytes = 512
    /// Shows that a text was cut.
    static let mark = "…"

    let time: time_t
    let level: Logger.Level
    let label: String
    let message: String
    /// The event first, then in order.
    let fields: [(name: String, value: String)]

    init(level: Logger.Level, label: String, message: String, fields: [(name: String, value: String)]) {
        time = Glibc.time(nil)
        self.level = level
        self.label = label
        self.message = LogEntry.shortened(message)
        self.fields = fields.map { (name: $0.name, value: LogEntry.shortened($0.value)) }
    }

    /// A line of the log about itself.
    init(_ event: DaemonEvent, label: String, _ message: String, _ fields: [(name: LogField, value: String)]) {
        self.init(
            level: event.level, label: label, message: message,
            fields: [(LogField.event.rawValue, event.rawValue)] + fields.map { ($0.name.rawValue, $0.value) })
    }

    /// The text, and what else is known.
    private var text: String { fields.reduce(message) { "\($0) \($1.name)=\($1.value)" } }

    /// Bytes that the entry takes in the journal, approximately: there each value is in the text too.
    var size: Int {
        let values = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        return min(LogEntry.lineBytes, message.utf8.count + 64 + values + 2 * fields.count) + values
    }

    // MARK: Standard error

    /// With a line feed at its end.
    /// - Parameter hasPriority: Whether it begins with `<N>`, from which the journal takes the level (sd-daemon(3)).
    func line(hasPriority: Bool) -> [UInt8] {
        let start = (hasPriority ? "<\(priority)>" : "") + timestamp
        return LogEntry.cut("\(start) \(level) \(label): \(text)", to: LogEntry.lineBytes) + [UInt8(ascii: "\n")]
    }

    /// In the format of swift-log's own handler.
    private var timestamp: String {
        var time = time, parts = tm()
        guard localtime_r(&time, &parts) != nil else { return "" }
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S%z", &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    // MARK: The journal

    /// As one datagram of the journal's native protocol.
    func datagram(valueBytes: Int = LogEntry.valueBytes) -> [UInt8] {
        var bytes: [UInt8] = []
        func add(_ name: String, _ value: String) {
            let value = LogEntry.cut(value, to: valueBytes)
            bytes += name.utf8
            // A value with a line feed has its length before it, as 64 bits, the lowest byte first. Other control
            // characters need not, but a reader of `FIELD=value` lines should meet none.
            if value.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
                bytes.append(UInt8(ascii: "\n"))
                withUnsafeBytes(of: UInt64(value.count).littleEndian) { bytes += $0 }
            } else {
                bytes.append(UInt8(ascii: "="))
            }
            bytes += value
            bytes.append(UInt8(ascii: "\n"))
        }
        add("MESSAGE", text)
        add("PRIORITY", "\(priority)")
        add("SYSLOG_IDENTIFIER", label)
        for (name, value) in fields { add(LogField.journalName(name), value) }
        return bytes
    }

    /// syslog(3)
    private var priority: Int32 {
        switch level {
        case .trace, .debug: LOG_DEBUG
        case .info: LOG_INFO
        case .notice: LOG_NOTICE
        case .warning: LOG_WARNING
        case .error: LOG_ERR
        case .critical: LOG_CRIT
        }
    }

    /// What of a value is written at most: no more is kept until then.
    private static func shortened(_ text: String) -> String {
        text.utf8.count <= valueBytes ? text : String(decoding: cut(text, to: valueBytes), as: UTF8.self)
    }

    /// At most so many bytes of a text, without half a character, and with a mark if it was longer.
    static func cut(_ text: String, to limit: Int) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count > limit else { return bytes }
        var end = max(0, limit - mark.utf8.count)
        while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return Array(bytes[..<end]) + mark.utf8
    }
}

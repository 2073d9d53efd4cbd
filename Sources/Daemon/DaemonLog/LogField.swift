/// What a line of the log says beside its text. The raw values appear on standard error; ``journalName`` in the journal.
public enum LogField: String, CaseIterable, Sendable {
    case event
    /// Connection and call of a caller; the same in the audit trail, and in errors that the caller gets.
    case correlation
    /// The caller's user. Lines with it are limited for each user, unless they are errors.
    case uid
    /// The caller's user and groups.
    case peer
    case connection
    case grant
    case operation
    case key
    /// Another key's name.
    case other
    case identifiers
    case token
    case label
    /// A stable code.
    case reason
    /// A sentence.
    case why
    case hint
    case error
    /// A Cryptoki function, and what it returned.
    case function
    case returnValue = "return-value"
    case process
    case links
    case exit
    case inFlight = "in-flight"
    case wasReady = "was-ready"
    case version
    case socket
    case grants
    case limit
    case pause
    case file
    case sha256
    case off
    case entry
    case line
    case what
    case count

    private static let prefix = "ACME_AGENT_"

    /// As the field of a journal's entry: upper-case letters, digits and underscores
    /// (systemd.journal-fields(7)).
    public var journalName: String { LogField.journalName(rawValue) }

    static func journalName(_ name: String) -> String {
        prefix
            + String(
                decoding: name.utf8.map { byte -> UInt8 in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - 0x20
                    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
                    default: UInt8(ascii: "_")
                    }
                }, as: UTF8.self)
    }
}

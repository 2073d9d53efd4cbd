import JOSE
import StrictJSON

/// When the CA would like a certificate to be renewed (RFC 9773 §4.2).
public struct RenewalInformation: Hashable, Sendable {
    /// The window's start, in Unix seconds.
    public var start: Int64
    /// The window's end, in Unix seconds; after `start`.
    public var end: Int64
    /// For a person. Not safe for a terminal.
    public var explanationURL: String?

    /// Its name in errors.
    static let object = "renewal information"

    /// Checks nothing.
    public init(start: Int64, end: Int64, explanationURL: String? = nil) {
        self.start = start
        self.end = end
        self.explanationURL = explanationURL
    }

    /// - Throws: if the window is missing, is not a pair of timestamps or does not end after its start, or the
    ///   explanation's URL is not a string.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader(RenewalInformation.object, json)
        let value: JSONValue
        do { value = try reader.object.required("suggestedWindow") } catch { throw ACMEDocumentError(RenewalInformation.object, error) }
        let window = try DocumentReader(RenewalInformation.object, value)
        guard let start = RFC3339.seconds(try window.string("start")) else { throw window.failure("start", "not a timestamp") }
        guard let end = RFC3339.seconds(try window.string("end")) else { throw window.failure("end", "not a timestamp") }
        // RFC 9773 §4.2: a window that does not end after its start counts as missing.
        guard start < end else { throw window.failure("end", "not after start") }
        self.start = start
        self.end = end
        explanationURL = try reader.text("explanationURL")
    }

    /// The certificate's name in `renewalInfo` and `replaces` (RFC 9773 §4.1): both parts in base64url, with a dot
    /// between them.
    /// - Parameters:
    ///   - authorityKeyIdentifier: the bytes of keyIdentifier.
    ///   - serialNumber: big-endian, with or without the sign byte of its DER form, which is added where required.
    public static func certID(authorityKeyIdentifier: [UInt8], serialNumber: [UInt8]) -> String {
        var serial = Array(serialNumber.drop { $0 == 0 })
        if serial.first.map({ $0 >= 0x80 }) ?? true { serial.insert(0, at: 0) }
        return Base64URL.encode(authorityKeyIdentifier) + "." + Base64URL.encode(serial)
    }

    /// RFC 5280 §4.1.2.2: a serial number has at most 20 bytes; a key identifier of 64 bytes is longer than any hash in
    /// use.
    private static let maximumPartSize = 64

    /// Whether the text has that form.
    public static func isCertID(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                guard let bytes = Base64URL.decode(bytes: part) else { return false }
                return (1...maximumPartSize).contains(bytes.count)
            }
    }
}

import JOSE
import StrictJSON

/// When the CA would like a certificate to be renewed (RFC 9773 §4.2).
public struct RenewalInformation: Hashable, Sendable {
    /// The window's first second, in Unix seconds.
    public var start: Int64
    /// The window's end, in Unix seconds; after `start`.
    public var end: Int64
    /// For a person. Not safe for a terminal as it is.
    public var explanationURL: String?

    /// Takes what it is given.
    public init(start: Int64, end: Int64, explanationURL: String? = nil) {
        self.start = start
        self.end = end
        self.explanationURL = explanationURL
    }

    /// - Throws: where the window is missing, no pair of timestamps, or does not end after its start.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("renewal information", json)
        let value: JSONValue
        do { value = try reader.object.required("suggestedWindow") } catch { throw ACMEDocumentError("renewal information", error) }
        let window = try DocumentReader("renewal information", value)
        guard let start = RFC3339.seconds(try window.string("start")) else { throw window.failure("start", "not a timestamp") }
        guard let end = RFC3339.seconds(try window.string("end")) else { throw window.failure("end", "not a timestamp") }
        // RFC 9773 §4.2: a window whose end is not after its start is as if there were none.
        guard start < end else { throw window.failure("end", "not after start") }
        self.start = start
        self.end = end
        explanationURL = try reader.text("explanationURL")
    }

    /// The certificate's name in `renewalInfo` and `replaces` (RFC 9773 §4.1): both parts in base64url, a dot between them.
    /// - Parameters:
    ///   - authorityKeyIdentifier: the keyIdentifier's bytes.
    ///   - serialNumber: big-endian; with or without the sign byte of its DER form, which is written where it has to be.
    public static func certID(authorityKeyIdentifier: [UInt8], serialNumber: [UInt8]) -> String {
        var serial = Array(serialNumber.drop { $0 == 0 })
        if serial.first.map({ $0 >= 0x80 }) ?? true { serial.insert(0, at: 0) }
        return Base64URL.encode(authorityKeyIdentifier) + "." + Base64URL.encode(serial)
    }

    /// RFC 5280 §4.1.2.2: 20 bytes of serial number at most; of a key identifier 64 are more than any hash has.
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

import StrictJSON

/// A JWS in the flattened JSON serialization (RFC 7515 §7.2.2), the only one that ACME accepts (RFC 8555 §6.2).
public struct FlattenedJWS: Hashable, Sendable {
    /// Header and payload as they were signed, with the dot between them: making and printing a JWS copies each only
    /// once.
    private let input: [UInt8]
    private let separator: Int
    /// The signature in base64url.
    public let signatureBytes: [UInt8]

    /// More than any request needs: a newAccount with an external account binding by an RSA-4096 key is below 8 KiB, a
    /// finalize for 1,000 names below 400 KiB.
    static let maximumMemberSize = 1 << 20

    init(input: [UInt8], separator: Int, signature: [UInt8]) {
        self.input = input
        self.separator = separator
        self.signatureBytes = signature
    }

    /// The protected header in base64url.
    public var protected: String { String(decoding: protectedBytes, as: UTF8.self) }
    /// The payload in base64url; empty for POST-as-GET.
    public var payload: String { String(decoding: payloadBytes, as: UTF8.self) }
    /// The signature in base64url.
    public var signature: String { String(decoding: signatureBytes, as: UTF8.self) }

    /// The protected header in base64url, for writing without a copy.
    public var protectedBytes: ArraySlice<UInt8> { input[..<separator] }
    /// The payload in base64url, for writing without a copy.
    public var payloadBytes: ArraySlice<UInt8> { input[(separator + 1)...] }

    /// What the signature covers (RFC 7515 §5.2 step 8).
    public var signedBytes: [UInt8] { input }

    /// The HTTP body: `{"protected":…,"payload":…,"signature":…}`.
    public func json() -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: input.count + signatureBytes.count + 48)
        write(to: &writer)
        return writer.bytes
    }

    /// Writes the object as the next value.
    public func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.name("protected")
        writer.plainString(protectedBytes)
        writer.name("payload")
        writer.plainString(payloadBytes)
        writer.name("signature")
        writer.plainString(signatureBytes)
        writer.endObject()
    }

    /// Reads the three members, each as strict base64url. An unprotected `header`, `signatures` or any other member is
    /// refused, as RFC 8555 §6.2 requires of servers.
    public init(json object: JSONObject) throws(JOSEError) {
        let protected: String
        let payload: String
        let signature: String
        do {
            protected = try object.string("protected")
            payload = try object.string("payload")
            signature = try object.string("signature")
            try object.finish(known: ["protected", "payload", "signature"])
        } catch { throw .invalidJWS(error.description) }
        try self.init(protected: protected, payload: payload, signature: signature)
    }

    /// Reads the JSON text.
    public init(json: [UInt8]) throws(JOSEError) {
        let object: JSONObject
        do { object = try JSONDocument(parsing: json).root.object() } catch { throw .invalidJWS(error.description) }
        try self.init(json: object)
    }

    /// Assembles a JWS from three strings; each must be strict base64url.
    public init(protected: String, payload: String, signature: String) throws(JOSEError) {
        for (name, text) in [("protected", protected), ("payload", payload), ("signature", signature)] {
            guard text.utf8.count <= FlattenedJWS.maximumMemberSize else { throw .invalidJWS("\"\(name)\" is too large") }
            guard let bytes = Base64URL.decode(text) else { throw .invalidJWS("\"\(name)\" is not base64url") }
            guard name == "payload" || !bytes.isEmpty else { throw .invalidJWS("\"\(name)\" is empty") }
        }
        self.init(
            input: Array(protected.utf8) + [UInt8(ascii: ".")] + Array(payload.utf8), separator: protected.utf8.count,
            signature: Array(signature.utf8))
    }
}

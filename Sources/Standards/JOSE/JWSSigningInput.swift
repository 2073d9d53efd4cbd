/// What is signed: base64url of the protected header, a dot, base64url of the payload (RFC 7515 §5.1). A separate type,
/// so that nothing else can be passed to a key by mistake.
public struct JWSSigningInput: Hashable, Sendable {
    /// The bytes to sign.
    public let bytes: [UInt8]
    /// Offset of the dot.
    let separator: Int

    /// - Parameter payload: the payload's bytes; empty for POST-as-GET (RFC 8555 §6.3).
    public init(header: JWSProtectedHeader, payload: [UInt8]) {
        let json = header.json()
        let count = Base64URL.encodedCount(json.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 1 + Base64URL.encodedCount(payload.count))
        Base64URL.append(json, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        Base64URL.append(payload, to: &bytes)
        self.bytes = bytes
        self.separator = count
    }

    /// The protected header in base64url.
    public var header64: [UInt8] { Array(bytes[..<separator]) }

    /// The payload in base64url.
    public var payload64: [UInt8] { Array(bytes[(separator + 1)...]) }

    /// The JWS with its signature: for ECDSA, `r` and `s` concatenated (RFC 7518 §3.4), never DER.
    public func flattened(signature: [UInt8]) -> FlattenedJWS {
        FlattenedJWS(input: bytes, separator: separator, signature: Base64URL.encodeBytes(signature))
    }
}

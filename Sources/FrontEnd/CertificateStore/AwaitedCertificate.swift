import ACME
import StrictJSON

/// A certificate that a CA without ACME is asked for: which key it will have, and which names were requested. Written
/// before the key is made, so that a run that is cut off, and a second one, request it for the same key.
public struct AwaitedCertificate: Hashable, Sendable {
    public var name: CertificateName
    /// At least one, in the requested order.
    public var identifiers: [Identifier]
    public var key: KeyName
    /// Lower-case hex SHA-256 of the key's SPKI; `nil` until the key is known to be there.
    public var fingerprint: String?
    /// Whether the certificate had another key when it was requested.
    public var isNewKey: Bool
    public var mustStaple: Bool
    /// Unix seconds.
    public var requested: Int64

    public init(
        name: CertificateName, identifiers: [Identifier], key: KeyName, fingerprint: String? = nil, isNewKey: Bool = false,
        mustStaple: Bool = false, requested: Int64
    ) {
        self.name = name
        self.identifiers = identifiers
        self.key = key
        self.fingerprint = fingerprint
        self.isNewKey = isNewKey
        self.mustStaple = mustStaple
        self.requested = requested
    }
}

extension AwaitedCertificate: StoreDocument {
    static let kind = "awaited-certificate"

    func write(_ writer: inout JSONWriter) {
        writer.member("name", name.rawValue)
        writer.name("identifiers")
        IdentifierList.write(identifiers, &writer)
        writer.member("key", key.rawValue)
        writer.member("fingerprint", ifPresent: fingerprint)
        if isNewKey { writer.member("newKey", true) }
        if mustStaple { writer.member("mustStaple", true) }
        writer.member("requested", RFC3339.string(requested))
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "name", "identifiers", "key", "fingerprint", "newKey", "mustStaple", "requested"])
        guard let requested = RFC3339.seconds(try object.string("requested")) else {
            throw JSONError(.invalidValue, offset: 0, member: "requested")
        }
        self.init(
            name: try CertificateName(object.string("name")), identifiers: try IdentifierList.read(object, "identifiers"),
            key: try KeyName(object.string("key")), fingerprint: try object.optionalString("fingerprint"),
            isNewKey: try object.optionalBool("newKey") ?? false, mustStaple: try object.optionalBool("mustStaple") ?? false,
            requested: requested)
    }
}

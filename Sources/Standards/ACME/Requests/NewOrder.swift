import StrictJSON

/// Asks for a certificate (RFC 8555 §7.4; `replaces` RFC 9773 §5; `profile` draft-ietf-acme-profiles).
public struct NewOrder: Hashable, Sendable {
    /// CAs accept up to 100; this only bounds the work of one request.
    public static let maximumIdentifiers = 1000
    /// Three times the longest profile name in use.
    public static let maximumProfileLength = 64

    /// In the order given.
    public var identifiers: [Identifier]
    /// One of the names in the directory's `profiles`.
    public var profile: String?
    /// The certID of the certificate that this order replaces; see `RenewalInformation.certID`.
    public var replaces: String?
    /// RFC 3339.
    public var notBefore: String?
    /// RFC 3339.
    public var notAfter: String?

    /// Checks nothing; see `validate()`.
    public init(
        identifiers: [Identifier], profile: String? = nil, replaces: String? = nil, notBefore: String? = nil, notAfter: String? = nil
    ) {
        self.identifiers = identifiers
        self.profile = profile
        self.replaces = replaces
        self.notBefore = notBefore
        self.notAfter = notAfter
    }

    /// The payload's JSON.
    public func payload() -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 64 + identifiers.count * 64)
        writer.beginObject()
        writer.name("identifiers")
        writer.beginArray()
        for identifier in identifiers {
            writer.beginObject()
            writer.member("type", identifier.type)
            writer.member("value", identifier.value)
            writer.endObject()
        }
        writer.endArray()
        writer.member("profile", ifPresent: profile)
        writer.member("replaces", ifPresent: replaces)
        writer.member("notBefore", ifPresent: notBefore)
        writer.member("notAfter", ifPresent: notAfter)
        writer.endObject()
        return writer.bytes
    }

    /// Checks that there is at least one identifier and none twice, that the other members are well formed, and that
    /// notBefore is before notAfter.
    public func validate() throws(ACMERequestError) {
        try NewOrder.validate(identifiers)
        if let profile {
            guard (1...NewOrder.maximumProfileLength).contains(profile.utf8.count), profile.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            else { throw ACMERequestError(member: "profile", reason: "not a profile name") }
        }
        if let replaces, !RenewalInformation.isCertID(replaces) {
            throw ACMERequestError(member: "replaces", reason: "not a certificate's identifier (RFC 9773 §4.1)")
        }
        var bounds: [Int64] = []
        for (member, value) in [("notBefore", notBefore), ("notAfter", notAfter)] {
            guard let value else { continue }
            guard let seconds = RFC3339.seconds(value) else { throw ACMERequestError(member: member, reason: "not an RFC 3339 timestamp") }
            bounds.append(seconds)
        }
        if bounds.count == 2, bounds[0] >= bounds[1] { throw ACMERequestError(member: "notAfter", reason: "not after notBefore") }
    }

    /// Checks that there is at least one, no more than `maximumIdentifiers`, and none twice.
    static func validate(_ identifiers: [Identifier]) throws(ACMERequestError) {
        guard !identifiers.isEmpty else { throw ACMERequestError(member: "identifiers", reason: "there are none") }
        guard identifiers.count <= maximumIdentifiers else {
            throw ACMERequestError(member: "identifiers", reason: "more than \(maximumIdentifiers)")
        }
        var seen: Set<Identifier> = []
        for identifier in identifiers where !seen.insert(identifier).inserted {
            throw ACMERequestError(member: "identifiers", reason: "\"\(identifier.value)\" occurs twice")
        }
    }
}

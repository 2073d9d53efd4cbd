import SwiftASN1
import X509

/// One certificate of a chain, with the fields that this program needs. It can be read even if its key or signature is
/// of an unknown kind.
public struct ChainCertificate: Sendable {
    /// As received.
    public let der: [UInt8]
    private let fields: CertificateFields

    /// Reads what a CA sends, all of it.
    /// - Throws: `UnreadableCertificate`, since the library's messages are for programmers.
    init(der: [UInt8]) throws(UnreadableCertificate) {
        // The library is stricter about what the elements contain.
        do { _ = try DER.parse(der) } catch { throw .notDER }
        try self.init(stored: der)
        do {
            _ = try ChainCertificate.name(fields.issuer)
            _ = try ChainCertificate.name(fields.subject)
            _ = try ChainCertificate.extensions(fields.extensions)
        } catch { throw .notACertificate }
    }

    /// Reads what was read completely before it was stored: only where the fields are.
    init(stored der: [UInt8]) throws(UnreadableCertificate) {
        fields = try CertificateFields(der)
        self.der = der
    }

    /// Both are empty if they cannot be read.
    public var subject: DistinguishedName { (try? ChainCertificate.name(fields.subject)) ?? ChainCertificate.noName }
    public var issuer: DistinguishedName { (try? ChainCertificate.name(fields.issuer)) ?? ChainCertificate.noName }
    /// The issuer's Name, DER.
    public var issuerDER: ArraySlice<UInt8> { fields.issuer }
    /// The content bytes as in the certificate (RFC 5280 §4.1.2.2), including a leading zero.
    public var serialNumber: [UInt8] { Array(fields.serialNumber) }
    /// Unix seconds, the first and the last second of validity.
    var notBefore: Int64 { fields.notBefore }
    var notAfter: Int64 { fields.notAfter }
    /// SubjectPublicKeyInfo, byte for byte.
    var spki: [UInt8] { Array(fields.spki) }
    var extensions: [Certificate.Extension] { (try? ChainCertificate.extensions(fields.extensions)) ?? [] }
    /// To verify the signatures that its key makes; `nil` if the key is of an unknown kind.
    private var publicKey: Certificate.PublicKey? { try? Certificate.PublicKey(derEncoded: spki) }

    private static let noName = DistinguishedName([RelativeDistinguishedName]())

    private static func name(_ der: ArraySlice<UInt8>) throws -> DistinguishedName {
        try DistinguishedName(derEncoded: try DER.parse(Array(der)))
    }

    private static func extensions(_ der: ArraySlice<UInt8>) throws -> [Certificate.Extension] {
        guard !der.isEmpty else { return [] }
        return try DER.sequence(of: Certificate.Extension.self, identifier: .sequence, rootNode: try DER.parse(Array(der)))
    }

    /// Whether `other` issued it; `nil` if its signature or the other's key is of an unknown kind.
    func isIssued(by other: ChainCertificate) -> Bool? {
        guard ComparableName(issuer) == ComparableName(other.subject) else { return false }
        // Its own signature's kind must be known too.
        guard let certificate = try? Certificate(derEncoded: der), let key = other.publicKey else { return nil }
        return key.isValidSignature(certificate.signature, for: certificate)
    }

    /// Whether a Name is its subject (RFC 5280 §7.1).
    /// - Parameter name: DER.
    public func hasSubject(_ name: ArraySlice<UInt8>) -> Bool {
        if name == fields.subject { return true }
        guard let other = try? ChainCertificate.name(name) else { return false }
        return ComparableName(other) == ComparableName(subject)
    }

    /// Whether its key made a signature.
    /// - Parameters:
    ///   - signature: as in the BIT STRING of what is signed.
    ///   - algorithm: the AlgorithmIdentifier, DER.
    public func hasSigned(
        _ bytes: ArraySlice<UInt8>, signature: ArraySlice<UInt8>, algorithm: ArraySlice<UInt8>
    ) -> SignatureVerdict {
        switch SignatureKind(algorithm) {
        case .plain(let known)?:
            guard let publicKey else { return .unknownKind }
            return publicKey.isValidSignature(signature, for: bytes, signatureAlgorithm: known) ? .valid : .invalid
        case .pss(let hash?)?: return hash.verdict(bytes, signature: signature, spki: spki)
        case .pss(nil)?: return .unknownParameters
        case nil: return .unknownKind
        }
    }

    /// The value of an extension, and whether it is critical.
    public func extensionValue(_ oid: ASN1ObjectIdentifier) -> (value: ArraySlice<UInt8>, isCritical: Bool)? {
        find(oid).map { ($0.value, $0.critical) }
    }

    /// Whether it has a keyUsage that does not name the signing of CRLs (RFC 5280 §4.2.1.3).
    public var forbidsSigningCRLs: Bool {
        guard let found = find(ASN1ObjectIdentifier.X509ExtensionID.keyUsage) else { return false }
        return (try? KeyUsage(found))?.cRLSign != true
    }

    /// Its SubjectKeyIdentifier.
    public var subjectKeyIdentifier: ArraySlice<UInt8>? {
        find(ASN1ObjectIdentifier.X509ExtensionID.subjectKeyIdentifier).flatMap { try? SubjectKeyIdentifier($0).keyIdentifier }
    }

    /// The extension of that kind; `nil` if there is none.
    func find(_ oid: ASN1ObjectIdentifier) -> Certificate.Extension? { extensions.first { $0.oid == oid } }

    /// Whether it has the TLS feature status_request, "must staple" (RFC 7633 §4, RFC 6066 §8).
    public var mustStaple: Bool {
        guard let bytes = find([1, 3, 6, 1, 5, 5, 7, 1, 24])?.value, let node = try? DER.parse(bytes) else { return false }
        return (try? DER.sequence(of: Int.self, identifier: .sequence, rootNode: node))?.contains(5) == true
    }

    /// The common names of its issuer.
    public var issuerCommonNames: [String] {
        issuer.flatMap { $0 }.filter { $0.type == .RDNAttributeType.commonName }.compactMap { String($0.value) }
    }
}

/// Why some bytes cannot be read as a certificate.
enum UnreadableCertificate: Error {
    case notDER, notACertificate

    /// Part of a sentence.
    var reason: String {
        switch self {
        case .notDER: "not valid DER"
        case .notACertificate: "not a certificate as RFC 5280 describes it"
        }
    }

    /// Whether the bytes may still be a certificate: one complete SEQUENCE. Other programs read more than strict DER.
    static func mayBeCertificate(_ bytes: [UInt8]) -> Bool {
        guard bytes.count >= 2, bytes[0] == 0x30 else { return false }
        let first = Int(bytes[1])
        guard first >= 0x80 else { return bytes.count == 2 + first }
        let count = first - 0x80
        guard (1...4).contains(count), bytes.count >= 2 + count else { return false }
        return bytes.count == 2 + count + bytes[2..<(2 + count)].reduce(0) { $0 << 8 | Int($1) }
    }
}

/// A distinguished name in the form that RFC 5280 §7.1 compares: attributes by type and value, the value without regard
/// to case, repeated spaces and string type.
private struct ComparableName: Hashable {
    private struct Attribute: Hashable {
        var type: ASN1ObjectIdentifier
        var text: String?
        /// If the value is not text.
        var value: RelativeDistinguishedName.Attribute.Value?
    }

    private let parts: [Set<Attribute>]

    init(_ name: DistinguishedName) {
        parts = name.map { part in
            Set(
                part.map { attribute in
                    let text = String(attribute.value)?.lowercased().split(separator: " ").joined(separator: " ")
                    return Attribute(type: attribute.type, text: text, value: text == nil ? attribute.value : nil)
                })
        }
    }
}

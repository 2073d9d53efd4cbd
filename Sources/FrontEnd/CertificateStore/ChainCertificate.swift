import ACME
import SwiftASN1
import X509

/// One certificate of a chain, with the fields that this program needs. It can be read even if its key or signature is
/// of an unknown kind.
public struct ChainCertificate: Sendable {
    /// As received.
    public let der: [UInt8]
    public let subject: DistinguishedName
    public let issuer: DistinguishedName
    /// The content bytes as in the certificate (RFC 5280 §4.1.2.2), including a leading zero.
    let serialNumber: [UInt8]
    /// Unix seconds, the first and the last second of validity.
    let notBefore: Int64
    let notAfter: Int64
    /// SubjectPublicKeyInfo, byte for byte.
    let spki: [UInt8]
    let extensions: [Certificate.Extension]
    /// To verify its signature; `nil` if that is of an unknown kind.
    private let certificate: Certificate?
    /// To verify the certificates that it issued; `nil` if the key is of an unknown kind.
    private let publicKey: Certificate.PublicKey?

    /// - Throws: `UnreadableCertificate`, since the library's messages are for programmers.
    init(der: [UInt8]) throws(UnreadableCertificate) {
        let root: ASN1Node
        do { root = try DER.parse(der) } catch { throw .notDER }
        do {
            let tbs = try DER.sequence(root, identifier: .sequence) { nodes in
                guard let tbs = nodes.next(), nodes.next() != nil, nodes.next() != nil else { throw UnreadableCertificate.notACertificate }
                return tbs
            }
            let fields = try Fields(tbs)
            serialNumber = fields.serialNumber
            issuer = try DistinguishedName(derEncoded: fields.issuer)
            subject = try DistinguishedName(derEncoded: fields.subject)
            (notBefore, notAfter) = fields.validity
            spki = Array(fields.spki.encodedBytes)
            extensions = fields.extensions
            publicKey = try? Certificate.PublicKey(derEncoded: fields.spki)
        } catch { throw .notACertificate }
        certificate = try? Certificate(derEncoded: der)
        self.der = der
    }

    /// Whether `other` issued it; `nil` if its signature or the other's key is of an unknown kind.
    func isIssued(by other: ChainCertificate) -> Bool? {
        guard ComparableName(issuer) == ComparableName(other.subject) else { return false }
        guard let certificate, let key = other.publicKey else { return nil }
        return key.isValidSignature(certificate.signature, for: certificate)
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

/// The fields of a tbsCertificate (RFC 5280 §4.1).
private struct Fields {
    var serialNumber: [UInt8]
    var issuer: ASN1Node
    var validity: (Int64, Int64)
    var subject: ASN1Node
    var spki: ASN1Node
    var extensions: [Certificate.Extension] = []

    init(_ tbs: ASN1Node) throws {
        self = try DER.sequence(tbs, identifier: .sequence) { nodes in
            // [0] version is absent in v1 certificates only.
            _ = try DER.optionalExplicitlyTagged(&nodes, tagNumber: 0, tagClass: .contextSpecific) { $0 }
            let serialNumber = try ArraySlice<UInt8>(derEncoded: &nodes)
            _ = try DER.sequence(Fields.next(&nodes), identifier: .sequence) { algorithm in while algorithm.next() != nil {} }
            let issuer = try Fields.next(&nodes)
            let validity = try DER.sequence(Fields.next(&nodes), identifier: .sequence) { times in
                (try Fields.seconds(Fields.next(&times)), try Fields.seconds(Fields.next(&times)))
            }
            let subject = try Fields.next(&nodes), spki = try Fields.next(&nodes)
            var fields = Fields(serialNumber: Array(serialNumber), issuer: issuer, validity: validity, subject: subject, spki: spki)
            for number: UInt in 1...2 {
                _ = DER.optionalImplicitlyTagged(&nodes, tagNumber: number, tagClass: .contextSpecific) { $0 }
            }
            let extensions = try DER.optionalExplicitlyTagged(&nodes, tagNumber: 3, tagClass: .contextSpecific) { node in
                try DER.sequence(of: Certificate.Extension.self, identifier: .sequence, rootNode: node)
            }
            fields.extensions = extensions ?? []
            return fields
        }
    }

    private init(serialNumber: [UInt8], issuer: ASN1Node, validity: (Int64, Int64), subject: ASN1Node, spki: ASN1Node) {
        (self.serialNumber, self.issuer, self.validity, self.subject, self.spki) = (serialNumber, issuer, validity, subject, spki)
    }

    private static func next(_ nodes: inout ASN1NodeCollection.Iterator) throws -> ASN1Node {
        guard let node = nodes.next() else { throw UnreadableCertificate.notACertificate }
        return node
    }

    /// Unix seconds of a Time (RFC 5280 §4.1.2.5).
    private static func seconds(_ node: ASN1Node) throws -> Int64 {
        func padded(_ number: Int, _ count: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, count - digits.count)) + digits
        }
        let date: (year: Int, month: Int, day: Int, hours: Int, minutes: Int, seconds: Int)
        if node.identifier == UTCTime.defaultIdentifier {
            let time = try UTCTime(derEncoded: node, withIdentifier: UTCTime.defaultIdentifier)
            date = (time.year, time.month, time.day, time.hours, time.minutes, time.seconds)
        } else {
            let time = try GeneralizedTime(derEncoded: node, withIdentifier: GeneralizedTime.defaultIdentifier)
            date = (time.year, time.month, time.day, time.hours, time.minutes, time.seconds)
        }
        let text =
            "\(padded(date.year, 4))-\(padded(date.month))-\(padded(date.day))T\(padded(date.hours)):\(padded(date.minutes)):"
            + "\(padded(date.seconds))Z"
        guard let seconds = RFC3339.seconds(text) else { throw UnreadableCertificate.notACertificate }
        return seconds
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

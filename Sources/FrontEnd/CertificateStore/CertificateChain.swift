import ACME
import Crypto
import FoundationEssentials
import JOSE
import SwiftASN1
import X509

/// Certificates, leaf first, each read whole.
public struct CertificateChain: Sendable {
    /// At least one; the leaf is the first.
    public let certificates: [Certificate]
    /// Their DER, as it came.
    public let der: [[UInt8]]

    /// Reads what a CA sends (RFC 8555 §9.1). Whether it is the right chain is `check`'s matter.
    /// - Throws: `StoreError` `.chainRefused`.
    public init(pem: [UInt8]) throws(StoreError) { try self.init(der: try CertificatePEM.read(pem)) }

    public init(der: [[UInt8]]) throws(StoreError) {
        guard !der.isEmpty else { throw CertificatePEM.refuse("there is no certificate in it") }
        var certificates: [Certificate] = []
        for (index, bytes) in der.enumerated() {
            do { certificates.append(try Certificate(derEncoded: bytes)) } catch {
                throw CertificatePEM.refuse("certificate \(index + 1) is not valid DER: \(TerminalText.safe("\(error)", limit: 200))")
            }
        }
        self.certificates = certificates
        self.der = der
    }

    /// The server's own certificate.
    public var leaf: Certificate { certificates[0] }
    public var leafDER: [UInt8] { der[0] }

    /// Unix seconds, the first and the last second of the leaf's validity.
    public var notBefore: Int64 { CertificateChain.seconds(leaf.notValidBefore) }
    public var notAfter: Int64 { CertificateChain.seconds(leaf.notValidAfter) }

    /// The serial number's content bytes as in the certificate (RFC 5280 §4.1.2.2), with the leading zero if it has one.
    public var serialNumber: [UInt8] { Array(leaf.serialNumber.bytes) }

    /// The keyIdentifier of the leaf's AuthorityKeyIdentifier, of which renewal information needs it (RFC 9773 §4.1).
    public var authorityKeyIdentifier: [UInt8]? {
        ((try? leaf.extensions.authorityKeyIdentifier) ?? nil)?.keyIdentifier.map { Array($0) }
    }

    /// The leaf's SubjectPublicKeyInfo, byte for byte.
    public var spki: [UInt8]? { CertificateChain.spki(of: leafDER) }

    /// The leaf's subjectAltName as identifiers.
    /// - Throws: `StoreError` `.chainRefused` if it has a name that is neither a DNS name nor an IP address.
    public func identifiers() throws(StoreError) -> [Identifier] {
        let names: SubjectAlternativeNames?
        do { names = try leaf.extensions.subjectAlternativeNames } catch {
            throw CertificatePEM.refuse("its subjectAltName cannot be read")
        }
        var result: [Identifier] = []
        for name in names ?? SubjectAlternativeNames() {
            do {
                switch name {
                case .dnsName(let text): result.append(.dns(try DNSName(text)))
                case .ipAddress(let octets): result.append(.ip(try IPAddress(bytes: Array(octets.bytes))))
                default: throw CertificatePEM.refuse("it is for something that is neither a DNS name nor an IP address")
                }
            } catch let error as StoreError { throw error } catch { throw CertificatePEM.refuse("it is for \(error)") }
        }
        return result
    }

    /// Clocks of CA and host may differ by this much (seconds); Let's Encrypt dates certificates back by an hour.
    static let clockTolerance: Int64 = 300

    /// Checks that this is the certificate that was ordered: for the agent's key (RFC 8555 §11.4), for exactly the ordered identifiers,
    /// valid now, each certificate issued by the one behind it.
    /// - Parameter time: Now, Unix seconds.
    /// - Throws: `StoreError` `.chainRefused`, with what is wrong.
    public func check(spki: [UInt8], identifiers ordered: [Identifier], time: Int64) throws(StoreError) {
        guard self.spki == spki else { throw CertificatePEM.refuse("it is for another key than the agent's") }
        let names = Set(try identifiers())
        let missing = ordered.filter { !names.contains($0) }.map(\.value), more = names.subtracting(ordered).map(\.value).sorted()
        guard missing.isEmpty else { throw CertificatePEM.refuse("it is not for \(CertificateChain.list(missing))") }
        guard more.isEmpty else { throw CertificatePEM.refuse("it is also for \(CertificateChain.list(more)), which was not ordered") }
        guard notBefore < notAfter else { throw CertificatePEM.refuse("it ends before it begins") }
        guard time <= notAfter else {
            throw CertificatePEM.refuse("it expired on \(RFC3339.string(notAfter)); it is \(RFC3339.string(time)) by this machine's clock")
        }
        guard time >= notBefore - CertificateChain.clockTolerance else {
            throw CertificatePEM.refuse("it begins on \(RFC3339.string(notBefore)); it is \(RFC3339.string(time)) by this machine's clock")
        }
        for (index, (certificate, issuer)) in zip(certificates, certificates.dropFirst()).enumerated() {
            guard certificate.issuer == issuer.subject, issuer.publicKey.isValidSignature(certificate.signature, for: certificate) else {
                throw CertificatePEM.refuse("certificate \(index + 1) was not issued by certificate \(index + 2)")
            }
        }
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
        return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
    }

    private static func seconds(_ date: Date) -> Int64 { Int64(clamping: Int(date.timeIntervalSince1970.rounded(.down))) }

    /// RFC 5280 §4.1: the seventh field of a v3 tbsCertificate. Taken as it stands, not written anew, so that the comparison is of bytes.
    private static func spki(of der: [UInt8]) -> [UInt8]? {
        guard let root = try? DER.parse(der) else { return nil }
        return try? DER.sequence(root, identifier: .sequence) { nodes in
            guard let tbs = nodes.next() else { return nil }
            while nodes.next() != nil {}
            return try DER.sequence(tbs, identifier: .sequence) { fields in
                var rest: [ASN1Node] = []
                while let field = fields.next() { rest.append(field) }
                // [0] version is absent in v1 certificates only.
                if rest.first?.identifier.tagClass == .contextSpecific { rest.removeFirst() }
                return rest.count > 5 ? Array(rest[5].encodedBytes) : nil
            }
        }
    }
}

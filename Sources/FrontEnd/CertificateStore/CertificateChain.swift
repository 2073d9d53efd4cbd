import ACME
import JOSE
import SwiftASN1
import X509

/// Certificates, leaf first. The leaf must be readable; issuers need not be, since this program does not use them.
public struct CertificateChain: Sendable {
    /// The server's own certificate.
    public let leaf: ChainCertificate
    /// The readable certificates above it, in the chain's order.
    public let issuers: [ChainCertificate]
    /// The DER of all certificates as received, leaf first, including unreadable ones.
    public let der: [[UInt8]]
    /// Oddities that are no reason to refuse the chain; each a sentence without a full stop.
    public let warnings: [String]

    /// Reads what a CA sends (RFC 8555 §9.1). `check` decides whether it is the right chain.
    /// - Throws: `StoreError` `.chainRefused`.
    public init(pem: [UInt8]) throws(StoreError) { try self.init(der: try CertificatePEM.read(pem)) }

    public init(der: [[UInt8]]) throws(StoreError) { try self.init(der) { (bytes) throws(UnreadableCertificate) in try .init(der: bytes) } }

    /// Reads a chain that `init(pem:)` has read before. What its certificates contain is read when it is asked for.
    init(storedPEM pem: [UInt8]) throws(StoreError) {
        try self.init(CertificatePEM.read(pem)) { (bytes) throws(UnreadableCertificate) in try .init(stored: bytes) }
    }

    private init(
        _ der: [[UInt8]], _ read: (_ bytes: [UInt8]) throws(UnreadableCertificate) -> ChainCertificate
    ) throws(StoreError) {
        guard let first = der.first else { throw CertificatePEM.refuse("it contains no certificate") }
        do { leaf = try read(first) } catch { throw CertificatePEM.refuse("certificate 1 is \(error.reason)") }
        var issuers: [ChainCertificate] = []
        var kept = [first]
        var warnings: [String] = []
        for (index, bytes) in der.enumerated().dropFirst() {
            do throws(UnreadableCertificate) {
                issuers.append(try read(bytes))
                kept.append(bytes)
            } catch {
                // A server would not load a file that contains anything else.
                let isKept = UnreadableCertificate.mayBeCertificate(bytes)
                if isKept { kept.append(bytes) }
                warnings.append("certificate \(index + 1) of the CA's chain is \(error.reason); it is \(isKept ? "kept" : "left out")")
            }
        }
        self.issuers = issuers
        self.der = kept
        self.warnings = warnings
    }

    private init(leaf: ChainCertificate, issuers: [ChainCertificate], der: [[UInt8]], warnings: [String]) {
        self.leaf = leaf
        self.issuers = issuers
        self.der = der
        self.warnings = warnings
    }

    /// The readable certificates, leaf first.
    public var certificates: [ChainCertificate] { [leaf] + issuers }
    public var leafDER: [UInt8] { leaf.der }

    /// Unix seconds, the first and the last second of the leaf's validity.
    public var notBefore: Int64 { leaf.notBefore }
    public var notAfter: Int64 { leaf.notAfter }

    /// The serial number's content bytes as in the certificate (RFC 5280 §4.1.2.2), including a leading zero.
    public var serialNumber: [UInt8] { leaf.serialNumber }

    /// The keyIdentifier of the leaf's AuthorityKeyIdentifier, which renewal information needs (RFC 9773 §4.1).
    public var authorityKeyIdentifier: [UInt8]? {
        guard let found = leaf.find(ASN1ObjectIdentifier.X509ExtensionID.authorityKeyIdentifier) else { return nil }
        return (try? AuthorityKeyIdentifier(found))?.keyIdentifier.map { Array($0) }
    }

    /// The certificate above the leaf that issued it; `nil` if there is none, or it cannot be told.
    public var leafIssuer: ChainCertificate? {
        // A signature of an unknown kind says nothing against it.
        issuers.first { leaf.isIssued(by: $0) ?? $0.hasSubject(leaf.issuerDER) }
    }

    /// The leaf's SubjectPublicKeyInfo, byte for byte.
    public var spki: [UInt8]? { leaf.spki }

    /// The leaf's subjectAltName as identifiers.
    /// - Parameter ignoringOthers: names that are none are left out; see `otherNames`.
    /// - Throws: `StoreError` `.chainRefused` if it has a name that is neither a DNS name nor an IP address.
    public func identifiers(ignoringOthers: Bool = false) throws(StoreError) -> [Identifier] {
        var result: [Identifier] = []
        for name in try alternativeNames() {
            do {
                guard let identifier = try CertificateChain.identifier(name) else {
                    throw CertificatePEM.refuse("it has a name that is neither a DNS name nor an IP address")
                }
                result.append(identifier)
            } catch {
                if ignoringOthers { continue }
                throw error as? StoreError ?? CertificatePEM.refuse("it has an invalid name: \(error)")
            }
        }
        return result
    }

    /// The names in the leaf's subjectAltName that are no identifiers, for a sentence.
    public func otherNames() throws(StoreError) -> [String] {
        try alternativeNames().filter { (try? CertificateChain.identifier($0)) == nil }.map { name in
            switch name {
            case .dnsName(let text), .rfc822Name(let text), .uniformResourceIdentifier(let text):
                "\"\(TerminalText.safe(text, limit: 80))\""
            case .otherName: "an otherName"
            case .directoryName: "a directory name"
            default: "a name of another kind"
            }
        }
    }

    private func alternativeNames() throws(StoreError) -> [GeneralName] {
        guard let found = leaf.find(ASN1ObjectIdentifier.X509ExtensionID.subjectAlternativeName) else { return [] }
        do { return Array(try SubjectAlternativeNames(found)) } catch { throw CertificatePEM.refuse("its subjectAltName cannot be read") }
    }

    /// - Returns: `nil` for a name of another kind.
    private static func identifier(_ name: GeneralName) throws -> Identifier? {
        switch name {
        case .dnsName(let text): .dns(try DNSName(text))
        case .ipAddress(let octets): .ip(try IPAddress(bytes: Array(octets.bytes)))
        default: nil
        }
    }

    /// How many seconds the clocks of CA and host may differ. Let's Encrypt backdates certificates by an hour.
    static let clockTolerance: Int64 = 300

    /// Checks that this is the certificate that was ordered: for the agent's key (RFC 8555 §11.4), for exactly the
    /// ordered identifiers, valid now. Issuers are refused only if they contradict the leaf.
    /// - Parameters:
    ///   - ignoringOtherNames: whether it may have names that are neither DNS names nor IP addresses.
    ///   - time: Now, Unix seconds.
    /// - Returns: The chain with each certificate before its issuer, if that can be determined (RFC 8555 §9.1).
    /// - Throws: `StoreError` `.chainRefused` with the reason.
    @discardableResult
    public func check(
        spki: [UInt8], identifiers ordered: [Identifier], ignoringOtherNames: Bool = false, time: Int64
    ) throws(StoreError) -> CertificateChain {
        guard self.spki == spki else { throw CertificatePEM.refuse("it is for a key that is not the agent's") }
        let names = Set(try identifiers(ignoringOthers: ignoringOtherNames))
        let missing = ordered.filter { !names.contains($0) }.map(\.value), more = names.subtracting(ordered).map(\.value).sorted()
        guard missing.isEmpty else { throw CertificatePEM.refuse("it is not for \(CertificateChain.list(missing))") }
        guard more.isEmpty else { throw CertificatePEM.refuse("it is also for \(CertificateChain.list(more)), which was not ordered") }
        guard notBefore < notAfter else { throw CertificatePEM.refuse("its validity ends before it begins") }
        guard time <= notAfter else {
            throw CertificatePEM.refuse("it expired on \(RFC3339.string(notAfter)); it is \(RFC3339.string(time)) by this host's clock")
        }
        guard time >= notBefore - CertificateChain.clockTolerance else {
            throw CertificatePEM.refuse("it is valid from \(RFC3339.string(notBefore)); it is \(RFC3339.string(time)) by this host's clock")
        }
        // RFC 5280 §4.2.1.9: its key could sign certificates for any name.
        if let found = leaf.find(ASN1ObjectIdentifier.X509ExtensionID.basicConstraints), let constraints = try? BasicConstraints(found),
            case .isCertificateAuthority = constraints
        {
            throw CertificatePEM.refuse("it is a CA's certificate (basicConstraints)")
        }
        return try arranged()
    }

    /// Puts each certificate before its issuer. A CA SHOULD send them in that order (RFC 8555 §9.1), and some servers
    /// require it.
    private func arranged() throws(StoreError) -> CertificateChain {
        guard !zip(certificates, issuers).allSatisfy({ $0.isIssued(by: $1) != false }) else { return self }
        var rest = issuers
        var path = [leaf]
        while let last = path.last, let index = rest.firstIndex(where: { last.isIssued(by: $0) != false }) {
            path.append(rest.remove(at: index))
        }
        // If no unreadable certificate can be the leaf's issuer, the issuer is missing: no client could verify the
        // leaf.
        guard path.count > 1 || der.count > certificates.count else {
            throw CertificatePEM.refuse("certificate 1 was not issued by certificate 2")
        }
        var warnings = warnings
        if !rest.isEmpty {
            warnings.append("the CA's chain has \(rest.count == 1 ? "a certificate" : "certificates") that issued none of the others")
        }
        let unread = der.filter { bytes in !certificates.contains { $0.der == bytes } }
        return CertificateChain(leaf: leaf, issuers: path.dropFirst() + rest, der: (path + rest).map(\.der) + unread, warnings: warnings)
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
        return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
    }
}

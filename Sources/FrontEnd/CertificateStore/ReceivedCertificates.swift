import ACME
import JOSE
import SwiftASN1

/// Certificates as CAs without ACME hand them over, in any order.
public enum ReceivedCertificates {
    private static let pkcs7 = Array("-----BEGIN PKCS7-----".utf8)

    /// The DER of each certificate in PEM, DER or certificates-only PKCS #7 (PEM or DER).
    /// - Throws: `StoreError` `.chainRefused`.
    public static func read(_ bytes: [UInt8]) throws(StoreError) -> [[UInt8]] {
        guard bytes.count <= Order.maximumChainSize else { throw refuse("it is larger than \(Order.maximumChainSize) bytes") }
        let found: [[UInt8]]
        if bytes.first == 0x30 {
            found = try certificates(inDER: bytes)
        } else if bytes.starts(with: pkcs7) {
            let document: PEMDocument
            do { document = try PEMDocument(pemString: String(decoding: bytes, as: UTF8.self)) } catch {
                throw refuse("its PEM block PKCS7 cannot be read")
            }
            found = try certificates(inDER: document.derBytes)
        } else {
            found = try CertificatePEM.read(bytes)
        }
        guard found.count <= CertificatePEM.maximumCertificates else {
            throw refuse("it has more than \(CertificatePEM.maximumCertificates) certificates")
        }
        return found
    }

    /// The certificate for a key first, and the others after it.
    /// - Throws: `StoreError` `.chainRefused` if there is none for the key.
    public static func chain(_ certificates: [[UInt8]], for spki: [UInt8]) throws(StoreError) -> CertificateChain {
        guard let leaf = certificates.first(where: { (try? ChainCertificate(der: $0))?.spki == spki }) else {
            throw refuse("none of its certificates is for the key")
        }
        var rest: [[UInt8]] = []
        for other in certificates where other != leaf && !rest.contains(other) { rest.append(other) }
        return try CertificateChain(der: [leaf] + rest)
    }

    /// One certificate, or those of a SignedData without content (RFC 5652 §5.1, RFC 8551 §3.2.2).
    private static func certificates(inDER bytes: [UInt8]) throws(StoreError) -> [[UInt8]] {
        guard (try? ChainCertificate(der: bytes)) == nil else { return [bytes] }
        do {
            return try DER.sequence(DER.parse(bytes), identifier: .sequence) { contentInfo in
                guard try ASN1ObjectIdentifier(derEncoded: &contentInfo) == .signedData else { throw NotSignedData() }
                return try DER.explicitlyTagged(&contentInfo, tagNumber: 0, tagClass: .contextSpecific) { content in
                    try DER.sequence(content, identifier: .sequence) { signedData in
                        var found: [[UInt8]] = []
                        while let part = signedData.next() {
                            guard part.identifier == .certificates, case .constructed(let nodes) = part.content else { continue }
                            found = nodes.map { Array($0.encodedBytes) }
                        }
                        guard !found.isEmpty else { throw NotSignedData() }
                        return found
                    }
                }
            }
        } catch { throw refuse("it is neither a certificate nor PKCS #7 with certificates") }
    }

    private struct NotSignedData: Error {}

    private static func refuse(_ why: String) -> StoreError { StoreError(.chainRefused, message: "the certificate is refused: \(why)") }
}

extension ASN1Identifier {
    fileprivate static let certificates = ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific)
}

extension ASN1ObjectIdentifier {
    fileprivate static let signedData: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 2]
}

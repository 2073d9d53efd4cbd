import ACME
import JOSE
import SwiftASN1

/// Certificates as CAs without ACME hand them over, in any order.
public enum ReceivedCertificates {
    private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
    private static let begin = Array("-----BEGIN ".utf8)
    private static let dashes = Array("-----".utf8)
    /// Of the PEM blocks that are read. Some CAs write PKCS #7 under a certificate's label.
    private static let labels = ["CERTIFICATE", "X509 CERTIFICATE", "PKCS7", "CMS"]

    /// The DER of each certificate in PEM, DER or certificates-only PKCS #7 (PEM, DER or BER). What stands between PEM
    /// blocks counts as explanation (RFC 7468 §2), but a block of another kind, such as a private key, is refused.
    /// - Throws: `StoreError` `.chainRefused`.
    public static func read(_ bytes: [UInt8]) throws(StoreError) -> [[UInt8]] {
        guard bytes.count <= Order.maximumChainSize else { throw refuse("it is larger than \(Order.maximumChainSize) bytes") }
        let content = bytes.starts(with: byteOrderMark) ? Array(bytes.dropFirst(byteOrderMark.count)) : bytes
        guard !content.isEmpty else { throw refuse("it is empty") }
        let found: [[UInt8]]
        if content.first == 0x30, let read = certificates(in: content) {
            found = read
        } else if content.firstRange(of: begin) != nil {
            found = try blocks(content)
        } else {
            throw refuse("it is neither PEM nor DER of a certificate or of PKCS #7 with certificates")
        }
        guard found.count <= CertificatePEM.maximumCertificates else {
            throw refuse("it has more than \(CertificatePEM.maximumCertificates) certificates")
        }
        return found
    }

    /// The certificate for a key first, and the others after it. Of several for the key the one counts that is valid, and
    /// of those the latest; the others stay out of the chain.
    /// - Parameter time: Now, Unix seconds.
    /// - Throws: `StoreError` `.chainRefused` if there is none for the key.
    public static func chain(_ certificates: [[UInt8]], for spki: [UInt8], time: Int64) throws(StoreError) -> CertificateChain {
        let own = certificates.compactMap { der in
            (try? ChainCertificate(der: der)).flatMap { $0.spki == spki ? $0 : nil }
        }
        let valid = own.filter { $0.notBefore - CertificateChain.clockTolerance <= time && time <= $0.notAfter }
        guard let leaf = (valid.isEmpty ? own : valid).max(by: { ($0.notBefore, $0.notAfter) < ($1.notBefore, $1.notAfter) }) else {
            throw refuse("none of its certificates is for the key")
        }
        var rest: [[UInt8]] = []
        for other in certificates where !rest.contains(other) && !own.contains(where: { $0.der == other }) { rest.append(other) }
        return try CertificateChain(der: [leaf.der] + rest)
    }

    /// The certificates in the PEM blocks of a text.
    private static func blocks(_ text: [UInt8]) throws(StoreError) -> [[UInt8]] {
        var found: [[UInt8]] = [], open: String?, body: [UInt8] = []
        for line in text.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            var line = line.drop { $0 == 0x20 || $0 == 0x09 }
            while let last = line.last, last == 0x20 || last == 0x09 { line.removeLast() }
            if line.starts(with: begin) {
                guard open == nil else { throw refuse("a PEM block begins within another") }
                let rest = String(decoding: line.dropFirst(begin.count), as: UTF8.self)
                guard let label = labels.first(where: { rest == $0 + "-----" }) else {
                    let shown = TerminalText.safe(String(rest.prefix { $0 != "-" }), limit: 40)
                    throw refuse("it has a PEM block \"\(shown)\"; only certificates are allowed")
                }
                (open, body) = (label, [])
            } else if let label = open {
                guard line.starts(with: dashes) else {
                    body += line
                    continue
                }
                guard line.elementsEqual("-----END \(label)-----".utf8) else { throw refuse("a PEM block has the wrong END line") }
                guard let der = Base64.decode(body), !der.isEmpty else { throw refuse("a PEM block is not base64") }
                if let signed = signedCertificates(in: der) {
                    found += signed
                } else if label.hasSuffix("CERTIFICATE") {
                    found.append(der)
                } else {
                    throw refuse("its PEM block \(label) has no certificates")
                }
                open = nil
            }
        }
        guard open == nil else { throw refuse("it is truncated") }
        guard !found.isEmpty else { throw refuse("it contains no certificate") }
        return found
    }

    /// One certificate, or those of PKCS #7; `nil` if it is neither.
    private static func certificates(in bytes: [UInt8]) -> [[UInt8]]? {
        (try? ChainCertificate(der: bytes)) != nil ? [bytes] : signedCertificates(in: bytes)
    }

    /// The certificates of a SignedData without content (RFC 5652 §5.1, RFC 8551 §3.2.2), which may be BER; `nil` if it
    /// is something else.
    private static func signedCertificates(in bytes: [UInt8]) -> [[UInt8]]? {
        try? DER.sequence(BER.parse(bytes), identifier: .sequence) { contentInfo in
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
    }

    private struct NotSignedData: Error {}

    private static func refuse(_ why: String) -> StoreError { StoreError(.chainRefused, message: "the file is refused: \(why)") }
}

extension ASN1Identifier {
    fileprivate static let certificates = ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific)
}

extension ASN1ObjectIdentifier {
    fileprivate static let signedData: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 2]
}

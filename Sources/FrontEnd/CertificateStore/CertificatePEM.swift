import ACME
import JOSE

/// Reads `application/pem-certificate-chain` (RFC 8555 §9.1): certificates in the strict form of RFC 7468 §3, nothing
/// else.
enum CertificatePEM {
    /// Real chains have 2 to 4.
    static let maximumCertificates = 16

    private static let begin = Array("-----BEGIN ".utf8)
    private static let dashes = Array("-----".utf8)

    /// The DER of each block. A chain must not smuggle anything else, a private key least of all, into files that a
    /// server loads (RFC 8555 §11.4): any other block or text is refused.
    static func read(_ text: [UInt8]) throws(StoreError) -> [[UInt8]] {
        guard text.count <= Order.maximumChainSize else { throw refuse("it is larger than \(Order.maximumChainSize) bytes") }
        var result: [[UInt8]] = []
        var body: [UInt8]?
        for var line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            while let last = line.last, last == 0x0D || last == 0x20 || last == 0x09 { line.removeLast() }
            if line.starts(with: begin) {
                guard body == nil else { throw refuse("a PEM block begins within another") }
                let label = label(line)
                guard line.elementsEqual("-----BEGIN CERTIFICATE-----".utf8) else {
                    throw refuse("it has a PEM block \"\(label)\"; only certificates are allowed")
                }
                guard result.count < maximumCertificates else { throw refuse("it has more than \(maximumCertificates) certificates") }
                body = []
            } else if line.elementsEqual("-----END CERTIFICATE-----".utf8), let letters = body {
                guard let der = Base64.decode(letters), !der.isEmpty else { throw refuse("a PEM block is not base64") }
                result.append(der)
                body = nil
            } else if body != nil {
                guard !line.starts(with: dashes) else { throw refuse("a PEM block has the wrong END line") }
                body?.append(contentsOf: line)
            } else {
                guard line.isEmpty else { throw refuse("it has text outside the certificates") }
            }
        }
        guard body == nil else { throw refuse("it is truncated") }
        guard !result.isEmpty else { throw refuse("it contains no certificate") }
        return result
    }

    private static func label(_ line: ArraySlice<UInt8>) -> String {
        TerminalText.safe(String(decoding: line.dropFirst(begin.count).prefix { $0 != UInt8(ascii: "-") }, as: UTF8.self), limit: 40)
    }

    static func refuse(_ why: String) -> StoreError {
        StoreError(.chainRefused, message: "the CA's certificate chain is refused: \(why)")
    }
}

import ACME

/// `application/pem-certificate-chain` (RFC 8555 §9.1): certificates and nothing else. A private key, a CSR or any text between the
/// blocks is refused (RFC 8555 §11.4), so that a hostile CA cannot slip something into a file that a server loads.
public enum PEMCertificateChain {
    /// A chain has two to four; more is work for every client of the server that shows it.
    public static let maximumCertificates = 10

    private static let begin = Array("-----BEGIN ".utf8)
    private static let end = Array("-----END CERTIFICATE-----".utf8)
    private static let dashes = Array("-----".utf8)

    /// The certificates in DER, leaf first; their content is not looked at.
    public static func decode(_ text: [UInt8]) throws(PEMChainError) -> [[UInt8]] {
        var certificates: [[UInt8]] = []
        var body: [UInt8]?
        for line in text.split(separator: 0x0A, omittingEmptySubsequences: true) {
            let line = trimmed(line)
            if line.isEmpty { continue }
            if line.starts(with: begin) {
                guard body == nil else { throw PEMChainError("a block begins within another") }
                let label = String(decoding: line.dropFirst(begin.count), as: UTF8.self)
                guard label == "CERTIFICATE-----" else {
                    throw PEMChainError("it has a block that is no certificate: \(TerminalText.safe(label.prefix { $0 != "-" }, limit: 40))")
                }
                guard certificates.count < maximumCertificates else { throw PEMChainError("it has more than \(maximumCertificates)") }
                body = []
            } else if line.elementsEqual(end) {
                guard let letters = body else { throw PEMChainError("a block ends that did not begin") }
                guard let der = Base64.decode(letters), !der.isEmpty else { throw PEMChainError("a block is not base64") }
                certificates.append(der)
                body = nil
            } else if line.starts(with: dashes) {
                throw PEMChainError("it has a line that is no PEM")
            } else {
                // RFC 8555 §9.1: no explanatory text outside the blocks.
                guard body != nil else { throw PEMChainError("it has text outside its certificates") }
                body?.append(contentsOf: line)
            }
        }
        guard body == nil else { throw PEMChainError("its last block does not end") }
        guard !certificates.isEmpty else { throw PEMChainError("it has no certificate") }
        return certificates
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        while let last = line.last, last == 0x0D || last == 0x20 || last == 0x09 { line.removeLast() }
        return line
    }
}

/// Why what came is no chain of certificates.
public struct PEMChainError: Error, Hashable, Sendable, CustomStringConvertible {
    public let reason: String
    init(_ reason: String) { self.reason = reason }
    public var description: String { "the CA's chain is refused: \(reason)" }
}

/// Base64 with padding (RFC 4648 §4), strictly.
enum Base64 {
    static func decode(_ letters: [UInt8]) -> [UInt8]? {
        guard letters.count % 4 == 0 else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(letters.count / 4 * 3)
        let padding = letters.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        var group: UInt32 = 0
        var bits = 0
        for letter in letters.dropLast(padding) {
            guard let value = value(letter) else { return nil }
            group = group << 6 | value
            bits += 6
            if bits >= 8 {
                bits -= 8
                result.append(UInt8(truncatingIfNeeded: group >> UInt32(bits)))
                group &= (1 << UInt32(bits)) - 1
            }
        }
        return group == 0 ? result : nil
    }

    private static func value(_ letter: UInt8) -> UInt32? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}

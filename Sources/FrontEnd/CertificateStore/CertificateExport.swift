import JOSE
import SwiftASN1

/// The formats in which a certificate is exported.
public enum ExportFormat: String, CaseIterable, Sendable {
    /// The whole chain, leaf first (RFC 8555 §9.1).
    case pem
    /// The leaf alone.
    case der
    /// The whole chain as certificates-only PKCS #7 in DER (RFC 2315 §9.1, RFC 5652 §5.1, RFC 8551 §3.2.2), for Windows
    /// and Java.
    case p7b

    /// The file name's extension without the dot.
    public var fileExtension: String { rawValue }
}

extension CertificateChain {
    /// The chain's bytes in a format.
    public func exported(as format: ExportFormat) -> [UInt8] {
        switch format {
        case .pem: fullChainPEM
        case .der: leafDER
        case .p7b: pkcs7
        }
    }

    /// Leaf and issuers, as servers load them.
    public var fullChainPEM: [UInt8] { der.flatMap { Array(PEM.encode($0, label: "CERTIFICATE").utf8) } }
    public var leafPEM: [UInt8] { Array(PEM.encode(leafDER, label: "CERTIFICATE").utf8) }
    /// The issuers without the leaf; empty if the CA sent none.
    public var issuersPEM: [UInt8] { der.dropFirst().flatMap { Array(PEM.encode($0, label: "CERTIFICATE").utf8) } }

    private var pkcs7: [UInt8] {
        let signedData: [UInt8] =
            DERText.integer1 + DERText.wrap(0x31, []) + DERText.wrap(0x30, DERText.data) + DERText.wrap(0xA0, der.flatMap { $0 })
            + DERText.wrap(0x31, [])
        return DERText.wrap(0x30, DERText.signedData + DERText.wrap(0xA0, DERText.wrap(0x30, signedData)))
    }
}

/// The fixed pieces of DER in the envelope.
private enum DERText {
    /// 1.2.840.113549.1.7.2
    static let signedData: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02]
    /// 1.2.840.113549.1.7.1
    static let data: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01]
    static let integer1: [UInt8] = [0x02, 0x01, 0x01]

    /// X.690 §8.1.3, the shortest form of the length.
    static func wrap(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        guard content.count >= 128 else { return [tag, UInt8(content.count)] + content }
        var length: [UInt8] = []
        var rest = content.count
        while rest > 0 {
            length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
            rest >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + content
    }
}

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
        var serializer = DER.Serializer()
        serializer.appendConstructedNode(identifier: .sequence) { contentInfo in
            try? contentInfo.serialize(ASN1ObjectIdentifier.signedData)
            contentInfo.appendConstructedNode(identifier: .content) { $0.appendSignedData(certificates: der) }
        }
        return serializer.serializedBytes
    }
}

extension DER.Serializer {
    /// RFC 5652 §5.1: version 1, no digest algorithm, no content, the certificates, no signer.
    fileprivate mutating func appendSignedData(certificates: [[UInt8]]) {
        appendConstructedNode(identifier: .sequence) { signedData in
            try? signedData.serialize(1)
            signedData.appendConstructedNode(identifier: .set) { _ in }
            signedData.appendConstructedNode(identifier: .sequence) { try? $0.serialize(ASN1ObjectIdentifier.data) }
            signedData.appendConstructedNode(identifier: .content) { content in
                for certificate in certificates { content.serializeRawBytes(certificate) }
            }
            signedData.appendConstructedNode(identifier: .set) { _ in }
        }
    }
}

extension ASN1Identifier {
    /// ContentInfo's content, and the certificates of SignedData.
    fileprivate static let content = ASN1Identifier(tagWithNumber: 0, tagClass: .contextSpecific)
}

extension ASN1ObjectIdentifier {
    fileprivate static let signedData: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 2]
    fileprivate static let data: ASN1ObjectIdentifier = [1, 2, 840, 113549, 1, 7, 1]
}

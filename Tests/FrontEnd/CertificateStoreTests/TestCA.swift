import ACME
import Crypto
import Foundation
import JOSE
import SwiftASN1
import X509

@testable import CertificateStore

/// A root, an issuer below it, and leaves for any key and names.
struct TestCA {
    let root: Certificate
    let issuer: Certificate
    private let issuerKey = P256.Signing.PrivateKey()

    /// The current time in the tests, Unix seconds.
    static let now: Int64 = 1_800_000_000

    init() throws {
        let rootKey = P256.Signing.PrivateKey()
        root = try TestCA.certificate(
            "Root", for: .init(rootKey.publicKey), issuer: "Root", signedBy: .init(rootKey), isCA: true, from: -86_400, to: 864_000_000)
        issuer = try TestCA.certificate(
            "Issuer", for: .init(issuerKey.publicKey), issuer: "Root", signedBy: .init(rootKey), isCA: true, from: -86_400, to: 864_000_000)
    }

    private static func certificate(
        _ subject: String, for key: Certificate.PublicKey, issuer: String, signedBy signer: Certificate.PrivateKey, isCA: Bool, from: Int64,
        to: Int64, names: [GeneralName] = []
    ) throws -> Certificate {
        var extensions = Certificate.Extensions()
        if isCA {
            try extensions.append(Certificate.Extension(BasicConstraints.isCertificateAuthority(maxPathLength: nil), critical: true))
        }
        if !names.isEmpty {
            try extensions.append(Certificate.Extension(SubjectAlternativeNames(names), critical: true))
            try extensions.append(Certificate.Extension(AuthorityKeyIdentifier(keyIdentifier: [1, 2, 3]), critical: false))
        }
        return try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key,
            notValidBefore: Date(timeIntervalSince1970: TimeInterval(now + from)),
            notValidAfter: Date(timeIntervalSince1970: TimeInterval(now + to)),
            issuer: try DistinguishedName { CommonName(issuer) }, subject: try DistinguishedName { if isCA { CommonName(subject) } },
            signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions, issuerPrivateKey: signer)
    }

    static func der(_ certificate: Certificate) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return serializer.serializedBytes
    }

    /// A chain of leaf, issuer and, if asked for, root; DER.
    func chain(
        key: P256.Signing.PublicKey, names: [String], from: Int64 = -3_600, to: Int64 = 7_776_000, other: GeneralName? = nil,
        root: Bool = false, isCA: Bool = false
    ) throws -> [[UInt8]] {
        var general: [GeneralName] = try names.map { name in
            switch try Identifier(argument: name) {
            case .dns(let name): .dnsName(name.text)
            case .ip(let address): .ipAddress(ASN1OctetString(contentBytes: address.bytes[...]))
            }
        }
        if let other { general.append(other) }
        let leaf = try TestCA.certificate(
            "", for: .init(key), issuer: "Issuer", signedBy: .init(issuerKey), isCA: isCA, from: from, to: to, names: general)
        return try ([leaf, issuer] + (root ? [self.root] : [])).map { try TestCA.der($0) }
    }

    static func pem(_ chain: [[UInt8]]) -> [UInt8] { chain.flatMap { Array(PEM.encode($0, label: "CERTIFICATE").utf8) } }
}

extension P256.Signing.PublicKey {
    var spki: [UInt8] { Array(derRepresentation) }
}

import ACME
import Crypto
import Foundation
import JOSE
import SwiftASN1
import X509

/// A CA's certificates in memory: two roots, an intermediate signed by both, and leaves for certificate requests.
public struct FakeAuthority: Sendable {
    private let roots: [(name: String, key: P256.Signing.PrivateKey)]
    private let intermediate = P256.Signing.PrivateKey()
    private static let intermediateName = "Fake Intermediate"

    private let twins: Int

    /// - Parameter twins: if not 0, its chains have as many certificates with the name and the key of the issuer in the
    ///   issuer's place, each of which has issued all the others.
    public init(twins: Int = 0) {
        roots = [("Fake Root A", .init()), ("Fake Root B", .init())]
        self.twins = twins
    }

    private static func name(_ text: String) throws -> DistinguishedName { try DistinguishedName { CommonName(text) } }

    private func pem(_ certificate: Certificate) throws -> String {
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return PEM.encode(serializer.serializedBytes, label: "CERTIFICATE")
    }

    /// - Parameters:
    ///   - csr: DER; its signature is checked.
    ///   - now: Unix seconds; the certificate is valid from an hour earlier, for `days`.
    ///   - names: instead of those in the request.
    ///   - uris: further names, which are no identifiers.
    /// - Returns: PEM of the chain to the root with that number, without the root.
    public func issue(csr: [UInt8], now: Int64, days: Int = 90, root: Int = 0, names: [String]? = nil, uris: [String] = []) throws
        -> [UInt8]
    {
        let request = try CertificateSigningRequest(derEncoded: csr)
        guard request.publicKey.isValidSignature(request.signature, for: request) else { throw FakeAuthorityError.badSignature }
        var san = SubjectAlternativeNames(), isStapled = false
        for attribute in request.attributes where attribute.oid == .CSRAttributes.extensionRequest {
            let extensions = try ExtensionRequest(attribute).extensions
            if let found = try extensions.subjectAlternativeNames { san = found }
            isStapled = extensions[oid: SoftwareKey.mustStaple.oid] != nil
        }
        if let names { san = SubjectAlternativeNames(names.map { .dnsName($0) }) }
        for uri in uris { san.append(.uniformResourceIdentifier(uri)) }
        let start = Date(timeIntervalSince1970: TimeInterval(now - 3600))
        var extensions = try Certificate.Extensions {
            Critical(san)
            AuthorityKeyIdentifier(keyIdentifier: [1, 2, 3, 4])
        }
        if isStapled { try extensions.append(SoftwareKey.mustStaple) }
        let leaf = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: request.publicKey, notValidBefore: start,
            notValidAfter: start.addingTimeInterval(TimeInterval(days) * 86_400), issuer: Self.name(Self.intermediateName),
            subject: DistinguishedName([RelativeDistinguishedName]()), signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions, issuerPrivateKey: .init(intermediate))
        let issuers = try twins == 0 ? [issuer(root, start)] : (1...twins).map { try twin($0, start) }
        return Array(try ([leaf] + issuers).map(pem).joined().utf8)
    }

    private func twin(_ number: Int, _ start: Date) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(intermediate.publicKey), notValidBefore: start,
            notValidAfter: start.addingTimeInterval(1000 * 86_400), issuer: Self.name(Self.intermediateName),
            subject: Self.name(Self.intermediateName), signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                SubjectAlternativeNames([.dnsName("\(number).example")])
            }, issuerPrivateKey: .init(intermediate))
    }

    /// The same certificate with the chain to another root.
    public func chain(_ chain: [UInt8], to root: Int, now: Int64) throws -> [UInt8] {
        let end = "-----END CERTIFICATE-----\n"
        let leaf = String(decoding: chain, as: UTF8.self).components(separatedBy: end)[0] + end
        return Array((leaf + (try pem(issuer(root, Date(timeIntervalSince1970: TimeInterval(now - 3600)))))).utf8)
    }

    /// PEM of a root's own certificate.
    public func rootPEM(_ number: Int = 0, now: Int64) throws -> String {
        let root = roots[number], start = Date(timeIntervalSince1970: TimeInterval(now - 2 * 86_400))
        return try pem(
            Certificate(
                version: .v3, serialNumber: .init(), publicKey: .init(root.key.publicKey), notValidBefore: start,
                notValidAfter: start.addingTimeInterval(3000 * 86_400), issuer: Self.name(root.name), subject: Self.name(root.name),
                signatureAlgorithm: .ecdsaWithSHA256,
                extensions: Certificate.Extensions { Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil)) },
                issuerPrivateKey: .init(root.key)))
    }

    private func issuer(_ root: Int, _ start: Date) throws -> Certificate {
        let parent = roots[root]
        return try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(intermediate.publicKey),
            notValidBefore: start.addingTimeInterval(-86_400),
            notValidAfter: start.addingTimeInterval(1000 * 86_400), issuer: Self.name(parent.name),
            subject: Self.name(Self.intermediateName),
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions { Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0)) },
            issuerPrivateKey: .init(parent.key))
    }
}

public enum FakeAuthorityError: Error { case badSignature }

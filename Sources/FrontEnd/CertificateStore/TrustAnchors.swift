import ACME
import SwiftASN1
import X509

/// Roots of CAs: whether a chain leads to one of them (RFC 5280 §6.1).
public struct TrustAnchors: Sendable {
    private let roots: [Certificate]

    /// - Parameter pem: certificates, with or without text around them. What this version cannot read is left out: the
    ///   system's file has roots of many CAs.
    /// - Throws: `StoreError` `.damaged` if there is none.
    public init(pem: [UInt8], path: String) throws(StoreError) {
        let documents = (try? PEMDocument.parseMultiple(pemString: String(decoding: pem, as: UTF8.self))) ?? []
        roots = documents.compactMap { document in
            document.discriminator == "CERTIFICATE" ? try? Certificate(derEncoded: document.derBytes) : nil
        }
        guard !roots.isEmpty else { throw StoreError(.damaged, path: path, message: "it has no certificate of a CA") }
    }

    /// Whether the chain's leaf is valid now, and leads to one of the roots. Its names are not looked at.
    func verify(_ chain: CertificateChain) async -> Bool {
        guard let leaf = try? Certificate(derEncoded: chain.leafDER) else { return false }
        let issuers = chain.issuers.compactMap { try? Certificate(derEncoded: $0.der) }
        var verifier = Verifier(rootCertificates: X509.CertificateStore(roots)) {
            RFC5280Policy()
            UncheckedExtensions()
        }
        guard case .validCertificate = await verifier.validate(leaf: leaf, intermediates: X509.CertificateStore(issuers)) else {
            return false
        }
        return true
    }

    /// What may be critical without saying anything about the chain: names are checked elsewhere, and what a server uses
    /// its certificate for is its clients' question.
    private struct UncheckedExtensions: VerifierPolicy {
        let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [
            .X509ExtensionID.subjectAlternativeName, .X509ExtensionID.extendedKeyUsage,
        ]

        mutating func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult { .meetsPolicy }
    }
}

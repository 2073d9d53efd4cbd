import ACME
import SwiftASN1
import Synchronization
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
        let intermediates = X509.CertificateStore(custom: Issuers(issuers, searches: Self.searches))
        guard case .validCertificate = await verifier.validate(leaf: leaf, intermediates: intermediates) else { return false }
        return true
    }

    /// How many times an issuer is looked for among those that come with a chain. A chain in which each certificate has
    /// one issuer needs one search for each.
    private static let searches = 64

    /// The issuers that come with a chain, for a limited number of searches. The library tries every way through them,
    /// and has no limit: whoever makes a chain can give it certificates of one name and one key that all issue one
    /// another, and there are 15! ways through 15 of them.
    private struct Issuers: CustomCertificateStore {
        private var bySubject: [DistinguishedName: [Certificate]]
        private let allowance: Allowance

        init(_ certificates: [Certificate], searches: Int) {
            bySubject = Dictionary(grouping: certificates, by: \.subject)
            allowance = Allowance(searches)
        }

        subscript(subject: DistinguishedName) -> [Certificate]? { allowance.take() ? bySubject[subject] : nil }

        func contains(_ certificate: Certificate) -> Bool { bySubject[certificate.subject]?.contains(certificate) ?? false }

        mutating func append(contentsOf certificates: some Sequence<Certificate>) {
            for certificate in certificates { bySubject[certificate.subject, default: []].append(certificate) }
        }
    }

    /// What copies of a value have together to spend.
    private final class Allowance: Sendable, Hashable {
        private let rest: Atomic<Int>

        init(_ number: Int) { rest = Atomic(number) }

        /// - Returns: whether there was any left.
        func take() -> Bool { rest.wrappingSubtract(1, ordering: .relaxed).oldValue > 0 }

        static func == (left: Allowance, right: Allowance) -> Bool { left === right }
        func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
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

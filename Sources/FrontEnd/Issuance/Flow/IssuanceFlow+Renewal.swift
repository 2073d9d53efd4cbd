import ACME
import ACMEClient
import CertificateStore
import JOSE

extension IssuanceFlow {
    /// The request that gets a certificate anew: the same names, profile, key and TLS feature.
    public static func renewalRequest(for certificate: StoredCertificate) throws -> IssuanceRequest {
        var request = IssuanceRequest(
            name: certificate.name, identifiers: certificate.metadata.identifiers, profile: certificate.metadata.profile,
            keyAlgorithm: certificate.chain.spki.flatMap { try? PublicKey(spki: $0).algorithm } ?? .p256)
        request.isProfileInherited = true
        request.mustStaple = certificate.chain.leaf.mustStaple
        return request
    }

    /// Renews a certificate now, due or not; see `RenewalRule`.
    /// - Parameter adjust: changes the request, for example to have a new key.
    public func renew(_ name: CertificateName, _ adjust: (inout IssuanceRequest) -> Void = { _ in }) async throws -> IssuanceOutcome {
        guard let certificate = try await store.certificate(named: name) else { throw IssuanceError.notFound(name) }
        var request = try Self.renewalRequest(for: certificate)
        adjust(&request)
        return try await issue(request)
    }

    /// Notes that an interrupted order is over where no flow could even begin to resume it: its account is gone, or the account's key is not for
    /// this user any more. Without a word where that cannot be done: then the next run tries again.
    public static func endOrder(named name: CertificateName, in store: any CertificateStore, after error: any Error) async {
        guard Verdict.isFinal(error), let lock = try? await store.lock(name) else { return }
        defer { lock.release() }
        guard let journal = try? await store.journal(named: name), !journal.hasFailed else { return }
        try? await JournalKeeper(store: store, journal: journal).record(.failed)
    }

    /// Revokes the current generation of a certificate (RFC 8555 §7.6).
    /// - Parameter byCertificateKey: signs by the certificate's key, for where the account is lost.
    /// - Throws: as `issue`; `IssuanceError.alreadyRevoked` where the store knows it to be.
    public func revoke(_ name: CertificateName, reason: RevocationReason?, byCertificateKey: Bool = false) async throws {
        let lock = try await store.lock(name)
        defer { lock.release() }
        guard let certificate = try await store.certificate(named: name) else { throw IssuanceError.notFound(name) }
        // Before anything else, and again where it is revoked already: a run that is cut off must not leave the key in
        // use. A retired key can still sign the revocation of its certificate.
        if reason == .keyCompromise { await retireCompromised(certificate.metadata.key.name) }
        guard !certificate.isRevoked else { throw IssuanceError.alreadyRevoked(name) }
        // What its user does not want any more is not replaced by an order that was begun before.
        await abandonOrder(of: certificate)
        var signer: (any AccountSigner)?
        if byCertificateKey {
            let name = certificate.metadata.key.name
            guard let key = try await keys.key(named: name) else { throw IssuanceError.keyMissing(name) }
            signer = try await keys.signer(for: key)
        }
        do {
            try await issuer.revoke(Revocation(certificate: certificate.chain.leafDER, reason: reason), signedBy: signer)
        } catch let error as ACMEClientError where error.problem?.kind == .alreadyRevoked {
            // An earlier run was cut off between the CA's answer and the store: what was wanted holds.
            observer(.warning("the CA had revoked it already"))
        }
        try await store.markRevoked(name, generation: certificate.metadata.generation)
        observer(.revoked(name, serial: certificate.metadata.serial))
    }

    /// RFC 5280 §5.3.1: keyCompromise says that others have the key. Retired, it can sign nothing any more, and the next certificate gets
    /// another one.
    private func retireCompromised(_ name: KeyName) async {
        do {
            // One that is gone signs nothing either.
            guard let key = try await keys.key(named: name), !key.isRetired else { return }
            try await keys.retireKey(named: name)
            observer(.keyRetired(name: name))
        } catch {
            observer(
                .warning(
                    "the compromised key \"\(name)\" could not be retired (\(error)); renew with --new-key, or the next certificate has it again"
                ))
        }
    }

    /// Revokes a certificate that is not in the store.
    /// - Parameters:
    ///   - certificate: DER.
    ///   - key: the agent's key of that certificate; `nil` signs by the account's.
    public func revoke(certificate der: [UInt8], reason: RevocationReason?, key: KeyName? = nil) async throws {
        let chain = try CertificateChain(der: [der])
        var signer: (any AccountSigner)?
        if let key {
            guard let managed = try await keys.key(named: key) else { throw IssuanceError.keyMissing(key) }
            signer = try await keys.signer(for: managed)
        }
        try await issuer.revoke(Revocation(certificate: der, reason: reason), signedBy: signer)
        observer(.revoked(nil, serial: chain.serialNumber.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()))
    }
}

extension RenewalRule {
    /// The rule for a stored certificate.
    public init(_ certificate: StoredCertificate) {
        self.init(notBefore: certificate.metadata.notBefore, notAfter: certificate.metadata.notAfter)
    }
}

import ACME
import ACMEClient
import CertificateStore
import JOSE

extension IssuanceFlow {
    /// The request that renews a certificate: the same names, profile, key and TLS feature.
    public static func renewalRequest(for certificate: StoredCertificate) throws -> IssuanceRequest {
        var request = IssuanceRequest(
            name: certificate.name, identifiers: certificate.metadata.identifiers, profile: certificate.metadata.profile,
            keyAlgorithm: certificate.chain.spki.flatMap { try? PublicKey(spki: $0).algorithm } ?? .p256)
        request.isProfileInherited = true
        request.mustStaple = certificate.chain.leaf.mustStaple
        return request
    }

    /// Marks an interrupted order as failed if no flow can even start to resume it: its account is gone, or this user
    /// may no longer use the account's key. Errors are ignored: the next run tries again.
    /// - Parameter directory: the CA that was asked; an order at another one is not touched.
    public static func endOrder(
        named name: CertificateName, at directory: ACMEURL, in store: any CertificateStore, after error: any Error
    ) async {
        guard Verdict.isFinal(error), let lock = try? await store.lock(name) else { return }
        defer { lock.release() }
        guard let journal = try? await store.journal(named: name), !journal.hasFailed, journal.directory == directory else { return }
        try? await JournalKeeper(store: store, journal: journal).record(.failed)
    }

    /// The generation that a revocation is for: the one with the serial number; without one, the current one. But if a
    /// key was reported as compromised and its certificate replaced before it was revoked, a report of a compromised key
    /// is still about that one.
    /// - Parameter serial: hexadecimal, as other programs write it.
    /// - Returns: `nil` if there is no such certificate.
    /// - Throws: `StoreError`; `IssuanceError.noEffect` if no stored generation has the serial number, or it has expired.
    public static func revocable(
        _ name: CertificateName, reason: RevocationReason?, serial: String? = nil, in store: any CertificateStore, at now: Int64
    ) async throws -> StoredCertificate? {
        guard let current = try await store.certificate(named: name) else { return nil }
        if let serial {
            let valid = try await store.earlierGenerations(of: name).filter { $0.metadata.notAfter > now } + [current]
            if let found = valid.first(where: { plain($0.metadata.serial) == plain(serial) }) { return found }
            throw IssuanceError.noEffect(
                "no stored certificate of \(name) that is still valid has the serial number \(TerminalText.safe(serial, limit: 80)); "
                    + "nothing was revoked", hint: "stored are: \(valid.map(\.metadata.serial).joined(separator: ", "))")
        }
        guard reason == .keyCompromise else { return current }
        // Generations are revoked in their order.
        for earlier in try await store.earlierGenerations(of: name)
        where earlier.metadata.generation > current.revokedGeneration ?? 0 && earlier.metadata.notAfter > now {
            if try await store.isCompromised(earlier.metadata.key.fingerprint) { return earlier }
        }
        return current
    }

    /// A serial number in lower case, without `0x`, separators and leading zeros.
    private static func plain(_ serial: String) -> Substring {
        let text = serial.lowercased().filter { $0 != ":" && !$0.isWhitespace }
        return (text.hasPrefix("0x") ? text.dropFirst(2) : text[...]).drop { $0 == "0" }
    }

    /// Revokes a certificate (RFC 8555 §7.6): the generation that `revocable` names.
    /// - Parameters:
    ///   - serial: of an earlier generation, if that is meant.
    ///   - byCertificateKey: signs with the certificate's key, in case the account is lost.
    /// - Throws: as `issue`; `IssuanceError.alreadyRevoked` if it is revoked according to the store.
    public func revoke(
        _ name: CertificateName, reason: RevocationReason?, serial: String? = nil, byCertificateKey: Bool = false
    ) async throws {
        let lock = try await store.lock(name)
        defer { lock.release() }
        guard let certificate = try await Self.revocable(name, reason: reason, serial: serial, in: store, at: time.unixTime()) else {
            throw IssuanceError.notFound(name)
        }
        let current = try await store.certificate(named: name)
        let isCurrent = current?.metadata.generation == certificate.metadata.generation
        // Before anything else, and even if it is already revoked: an interrupted run must not leave the key in use. A
        // retired key can still sign the revocation of its certificate.
        if reason == .keyCompromise { try await abandonCompromised(certificate.metadata.key) }
        guard !certificate.isRevoked else { throw IssuanceError.alreadyRevoked(name) }
        // An earlier order must not replace a certificate that the user no longer wants.
        if isCurrent { await abandonOrder(of: certificate) }
        var signer: (any AccountSigner)?
        if byCertificateKey {
            let name = certificate.metadata.key.name
            guard let key = try await keys.key(named: name) else { throw IssuanceError.keyMissing(name) }
            signer = try await keys.signer(for: key)
        }
        do {
            try await issuer.revoke(Revocation(certificate: certificate.chain.leafDER, reason: reason), signedBy: signer)
        } catch let error as ACMEClientError where error.problem?.kind == .alreadyRevoked {
            // An earlier run was interrupted between the CA's answer and the store: the certificate is revoked as
            // requested.
            observer(.warning("the CA had already revoked the certificate"))
        }
        // The store remembers one generation, up to which those with compromised keys are revoked. The CA knows of any
        // other one that it is revoked.
        if isCurrent || serial == nil { try await store.markRevoked(name, generation: certificate.metadata.generation) }
        observer(.revoked(name, serial: certificate.metadata.serial))
        if let current, !isCurrent {
            let isCompromised = reason == .keyCompromise && current.metadata.key.fingerprint == certificate.metadata.key.fingerprint
            observer(
                .warning(
                    "an earlier certificate was revoked; the current one "
                        + (isCompromised
                            ? "has the same key, which is compromised: acme-agent revoke \(name) --serial \(current.metadata.serial) "
                                + "--reason keyCompromise"
                            : "stays valid")))
        }
    }

    /// RFC 5280 §5.3.1: keyCompromise says that others have the key. The store remembers it, so that no certificate is
    /// ordered for the key again even if the agent does not let this user retire it. A retired key signs nothing but
    /// the revocation.
    private func abandonCompromised(_ reference: KeyReference) async throws {
        try await store.markCompromised(CompromisedKey(key: reference, reported: time.unixTime()))
        let name = reference.name
        do {
            guard let key = try await keys.key(named: name) else {
                return observer(
                    .warning(
                        "the agent shows you no key \"\(name)\"; if it still has the compromised key, it signs with it until someone with a "
                            + "grant for retire-key runs: acme-agent keys retire \(name)"))
            }
            // Another key may have got its name.
            guard !key.isRetired, key.fingerprint == reference.fingerprint else { return }
            try await keys.retireKey(named: name)
            observer(.keyRetired(name: name))
        } catch {
            observer(
                .warning(
                    "the compromised key \"\(name)\" could not be retired (\(error)); no certificate is ordered for it again, but the "
                        + "agent still signs with it until someone with a grant for retire-key runs: acme-agent keys retire \(name)"
                ))
        }
    }
}

extension RenewalRule {
    /// The rule for a stored certificate.
    public init(_ certificate: StoredCertificate) {
        self.init(notBefore: certificate.metadata.notBefore, notAfter: certificate.metadata.notAfter)
    }
}

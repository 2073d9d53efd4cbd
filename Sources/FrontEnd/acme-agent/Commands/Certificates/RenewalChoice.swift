import ACME
import CertificateStore
import Issuance
import JOSE

extension Renew {
    /// Whether there is something to do for a certificate.
    /// - Parameters:
    ///   - isNamed: The user named it; otherwise a timer may be running.
    ///   - isKeyLost: Its key is retired or compromised.
    ///   - window: The CA's, if it is known.
    static func isToDo(
        _ stored: StoredCertificate?, _ journal: OrderJournal?, isNamed: Bool, force: Bool, isKeyLost: Bool = false,
        window: RenewalRecord.Window? = nil, now: Int64
    ) -> Bool {
        // An interrupted order is resumed. A failed one is tried again only if it is named.
        if let journal, isNamed || !journal.hasFailed { return true }
        guard let stored else { return false }
        // A timer does not replace a revoked certificate; the user must ask for it.
        if stored.isRevoked { return force && isNamed }
        return force || isKeyLost || RenewalTiming(stored).due(window) <= now
    }

    /// What to order, and where: the interrupted order, or a renewal of the installed certificate.
    /// - Parameter mustStaple: The remembered option, if it was given.
    /// - Returns: `nil` if there is neither.
    static func request(
        _ name: CertificateName, _ stored: StoredCertificate?, _ journal: OrderJournal?, keyAlgorithm: KeyAlgorithm,
        mustStaple: Bool? = nil
    ) throws -> (IssuanceRequest, ACMEURL)? {
        // An order started before the installation is the installed certificate's own.
        let isOpen = stored.map { stored in journal.map { !$0.hasFailed && $0.started > stored.metadata.installed } ?? false } ?? true
        if isOpen, let journal {
            var request =
                try stored.map { try IssuanceFlow.renewalRequest(for: $0) }
                ?? IssuanceRequest(name: name, identifiers: journal.identifiers, keyAlgorithm: keyAlgorithm)
            request.identifiers = journal.identifiers
            request.profile = journal.profile
            request.mustStaple = journal.mustStaple
            // The order is for exactly this key. If the key was retired in the meantime, the order is refused.
            if let key = journal.key, key != stored?.metadata.key.name {
                request.key = key
                request.keyAlgorithm = keyAlgorithm
            }
            return (request, journal.directory)
        }
        guard let stored else { return nil }
        var request = try IssuanceFlow.renewalRequest(for: stored)
        request.mustStaple = mustStaple ?? request.mustStaple
        guard let directory = stored.metadata.directory else { throw Renew.notACME(name) }
        return (request, directory)
    }
}

extension IssuanceRequest {
    /// Takes into account what is known of the installed certificate.
    mutating func heed(_ record: RenewalRecord, now: Int64) {
        mayExpireEarlier = record.revocation != nil || (record.window?.moment ?? .max) <= now
        // An interrupted order that names a key is already for another one.
        if record.revocation?.reason == .keyCompromise, key == nil { newKey = true }
    }
}

extension RenewalTiming {
    init(_ certificate: StoredCertificate) {
        self.init(notBefore: certificate.metadata.notBefore, notAfter: certificate.metadata.notAfter)
    }
}

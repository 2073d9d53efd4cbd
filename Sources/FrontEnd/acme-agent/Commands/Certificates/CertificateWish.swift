import ACME
import CertificateStore
import Issuance
import JOSE

/// What `issue` is asked for, held against the certificate that is there. Pure.
struct CertificateWish: Sendable {
    private let request: IssuanceRequest
    /// On this command line, and on those before.
    private let given: CertificateSettings
    private let remembered: CertificateSettings
    private let directory: ACMEURL

    init(_ request: IssuanceRequest, given: CertificateSettings, remembered: CertificateSettings, directory: ACMEURL) {
        self.request = request
        self.given = given
        self.remembered = remembered
        self.directory = directory
    }

    /// Whether a certificate is what is wanted, and valid until a timer renews it. An order for it that was begun is to be ended first.
    /// - Parameter now: Unix seconds.
    func isMet(by stored: StoredCertificate, _ journal: OrderJournal?, now: Int64) -> Bool {
        !stored.isRevoked && !RenewalRule(stored).isDue(now) && stored.metadata.directory == directory
            && Set(stored.metadata.identifiers) == Set(request.identifiers)
            && journal.map { Set($0.identifiers) != Set(request.identifiers) } ?? true
            && isKeyMet(by: stored) && isKindMet(by: stored)
    }

    private func isKeyMet(by stored: StoredCertificate) -> Bool {
        if request.newKey { return false }
        if let key = request.key, key != stored.metadata.key.name { return false }
        guard let type = given.keyType, let algorithm = stored.keyAlgorithm else { return true }
        return type == algorithm
    }

    /// What was wished for before counts as met: a CA may have had its reasons.
    private func isKindMet(by stored: StoredCertificate) -> Bool {
        if let profile = given.profile, profile != remembered.profile, profile != stored.metadata.profile { return false }
        if let root = given.preferredChain, root != remembered.preferredChain,
            !stored.chain.certificates.contains(where: { $0.issuerCommonNames.contains(root) })
        {
            return false
        }
        guard let mustStaple = given.mustStaple, mustStaple != remembered.mustStaple else { return true }
        return mustStaple == stored.chain.leaf.mustStaple
    }
}

extension StoredCertificate {
    /// Of its key; `nil` where it is of a kind that is not known here.
    var keyAlgorithm: KeyAlgorithm? { chain.spki.flatMap { try? PublicKey(spki: $0).algorithm } ?? nil }
}

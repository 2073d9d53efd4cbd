import ACME
import CertificateStore
import Issuance
import JOSE

/// What `issue` requests, compared with the installed certificate. Pure.
struct CertificateWish: Sendable {
    private let request: IssuanceRequest
    /// From this command line, and from earlier ones.
    private let given: CertificateSettings
    private let remembered: CertificateSettings
    private let directory: ACMEURL

    init(_ request: IssuanceRequest, given: CertificateSettings, remembered: CertificateSettings, directory: ACMEURL) {
        self.request = request
        self.given = given
        self.remembered = remembered
        self.directory = directory
    }

    /// Whether a certificate is as requested, and valid until a timer renews it. `false` if there is an unfinished
    /// order for the same names: it comes first.
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

    /// What was requested before counts as met: the CA may have decided otherwise.
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
    /// Its key's algorithm; `nil` if it is unknown here.
    var keyAlgorithm: KeyAlgorithm? { chain.spki.flatMap { try? PublicKey(spki: $0).algorithm } ?? nil }
}

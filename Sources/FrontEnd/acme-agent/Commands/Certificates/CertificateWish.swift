import ACME
import CertificateStore
import Issuance
import JOSE

/// What `issue` or a declaration requests, compared with the installed certificate. Pure.
struct CertificateWish: Sendable {
    private let request: IssuanceRequest
    /// From this command line or the declaration, and from earlier ones.
    private let given: CertificateSettings
    private let remembered: CertificateSettings
    private let directory: ACMEURL
    /// The CA's window for the certificate with a serial number.
    var window: (serial: String, window: RenewalRecord.Window)?

    init(_ request: IssuanceRequest, given: CertificateSettings, remembered: CertificateSettings, directory: ACMEURL) {
        self.request = request
        self.given = given
        self.remembered = remembered
        self.directory = directory
    }

    /// Why a certificate is not as requested.
    enum Difference: Equatable, Sendable {
        case revoked
        case due(since: Int64)
        /// There is an unfinished order for the same names: it comes first.
        case unfinished
        /// It is installed, and its deploy hook failed or did not finish.
        case undeployed
        case ca(ACMEURL)
        case names(missing: [Identifier], dropped: [Identifier])
        case newKey
        case key(KeyName)
        case keyType(KeyAlgorithm, KeyAlgorithm)
        case profile(String)
        case chain(String)
        case mustStaple(Bool)
    }

    /// Whether a certificate is as requested, and valid until a timer renews it.
    /// - Parameter now: Unix seconds.
    func isMet(by stored: StoredCertificate, _ journal: OrderJournal?, now: Int64) -> Bool {
        differences(from: stored, journal, now: now).isEmpty
    }

    /// When a certificate is due: by its CA's window, if that is known.
    func due(_ stored: StoredCertificate) -> Int64 {
        RenewalTiming(stored).due(window.flatMap { $0.serial == stored.metadata.serial ? $0.window : nil })
    }

    /// Everything in which a certificate is not as requested.
    func differences(from stored: StoredCertificate, _ journal: OrderJournal?, now: Int64) -> [Difference] {
        var found: [Difference] = []
        if stored.isRevoked { found.append(.revoked) }
        let due = due(stored)
        if due <= now { found.append(.due(since: due)) }
        let had = stored.metadata.identifiers, wanted = request.identifiers
        if let journal, Set(journal.identifiers) == Set(wanted) {
            found.append(journal.isInstalled(as: stored) ? .undeployed : .unfinished)
        }
        if stored.metadata.directory != directory { found.append(.ca(directory)) }
        if Set(had) != Set(wanted) {
            found.append(.names(missing: wanted.filter { !had.contains($0) }, dropped: had.filter { !wanted.contains($0) }))
        }
        return found + keyDifferences(from: stored) + kindDifferences(from: stored)
    }

    private func keyDifferences(from stored: StoredCertificate) -> [Difference] {
        if request.newKey { return [.newKey] }
        if let key = request.key, key != stored.metadata.key.name { return [.key(key)] }
        guard let type = given.keyType, let algorithm = stored.keyAlgorithm, type != algorithm else { return [] }
        return [.keyType(algorithm, type)]
    }

    /// What was requested before counts as met: the CA may have decided otherwise.
    private func kindDifferences(from stored: StoredCertificate) -> [Difference] {
        var found: [Difference] = []
        if let profile = given.profile, profile != remembered.profile, profile != stored.metadata.profile {
            found.append(.profile(profile))
        }
        if let root = given.preferredChain, root != remembered.preferredChain,
            !stored.chain.certificates.contains(where: { $0.issuerCommonNames.contains(root) })
        {
            found.append(.chain(root))
        }
        if let mustStaple = given.mustStaple, mustStaple != remembered.mustStaple, mustStaple != stored.chain.leaf.mustStaple {
            found.append(.mustStaple(mustStaple))
        }
        return found
    }
}

extension CertificateWish.Difference {
    /// What must be done about it.
    func text(now: Int64) -> String {
        switch self {
        case .revoked: return "it is revoked"
        case .due(let time): return "it is due for renewal since \(Wording.day(time))"
        case .unfinished: return "its order was interrupted"
        case .undeployed: return "its deploy hook failed or did not finish"
        case .ca(let directory): return "it is to be issued by \(directory)"
        case .names(let missing, let dropped):
            let lacks = "it lacks \(Wording.list(missing))", has = "also includes \(Wording.list(dropped))"
            if missing.isEmpty { return "it \(has)" }
            return dropped.isEmpty ? lacks : "\(lacks) and \(has)"
        case .newKey: return "it is to have a new key"
        case .key(let name): return "it is to have the key \"\(name)\""
        case .keyType(let had, let wanted): return "its key is \(had.rawValue), not \(wanted.rawValue)"
        case .profile(let profile): return "its profile is not \"\(TerminalText.safe(profile, limit: 64))\""
        case .chain(let root): return "its chain does not end in \"\(TerminalText.safe(root, limit: 100))\""
        case .mustStaple(let isWanted): return isWanted ? "it lacks \"must staple\"" : "it has \"must staple\""
        }
    }

    /// For scripts.
    var word: String {
        switch self {
        case .revoked: "revoked"
        case .due: "due"
        case .unfinished: "interrupted"
        case .undeployed: "hook-failed"
        case .ca: "ca"
        case .names: "names"
        case .newKey, .key: "key"
        case .keyType: "key-type"
        case .profile: "profile"
        case .chain: "preferred-chain"
        case .mustStaple: "must-staple"
        }
    }
}

extension StoredCertificate {
    /// Its key's algorithm; `nil` if it is unknown here.
    var keyAlgorithm: KeyAlgorithm? { chain.spki.flatMap { try? PublicKey(spki: $0).algorithm } ?? nil }
}

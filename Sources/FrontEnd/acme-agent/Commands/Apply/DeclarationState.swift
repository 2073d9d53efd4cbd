import ACME
import CertificateStore
import Issuance
import JOSE

/// A declared certificate compared with the store: what is to be done so that it is as declared. Pure.
struct DeclarationState: Sendable {
    enum Action: String, Sendable {
        /// There is none yet.
        case issue
        /// Its time has come; it stays as it is otherwise.
        case renew
        /// It is not as declared.
        case replace
        case resume
        case none
        /// It is revoked, or was imported: the user must ask for another one.
        case left
    }

    let declared: DeclaredCertificate
    /// The name under which it is stored.
    let name: CertificateName
    let stored: StoredCertificate?
    let action: Action
    /// One phrase for each reason, and one word.
    let reasons: [String]
    let words: [String]
    let request: IssuanceRequest
    let directory: ACMEURL
    private let wish: CertificateWish
    /// Whether a certificate that no ACME CA renews may be replaced by one of an ACME CA.
    private let isACMENamed: Bool
    /// Its key is lost, or its CA has revoked it.
    private let isUseless: Bool

    /// - Parameters:
    ///   - settings: how it is ordered: the declaration's own settings before all others.
    ///   - isCANamed: whether the declaration or the command line names the CA; otherwise a certificate stays at its CA.
    ///   - window: the CA's, for the installed certificate.
    ///   - fault: what is wrong with the installed certificate's key.
    ///   - now: Unix seconds.
    init(
        _ declared: DeclaredCertificate, as name: CertificateName, _ stored: StoredCertificate?, _ journal: OrderJournal?,
        settings: CertificateSettings, remembered: CertificateSettings, cas: CertificateCAs, isCANamed: Bool,
        fault: CertificateReport.KeyFault? = nil, window: RenewalRecord.Window? = nil, isRevokedByCA: Bool = false, now: Int64
    ) {
        self.declared = declared
        self.name = name
        self.stored = stored
        let own = declared.settings
        isACMENamed = own.ca != nil
        var request = IssuanceRequest(
            name: name, identifiers: declared.identifiers, profile: settings.profile ?? stored?.metadata.profile,
            keyAlgorithm: settings.keyType ?? Settings.defaultKeyType,
            mustStaple: settings.mustStaple ?? stored?.chain.leaf.mustStaple ?? false, preferredRoot: settings.preferredChain)
        request.isProfileInherited = settings.profile == nil
        request.isKeyAlgorithmWanted = own.keyType != nil
        // A certificate that a renewal got from the second CA stays there until it is due.
        let isElsewhere = isCANamed && stored?.metadata.directory != cas.second?.directory
        directory = stored.flatMap { isCANamed ? cas.first.directory : $0.metadata.directory } ?? cas.first.directory
        var wish = CertificateWish(
            request, given: own, remembered: remembered,
            directory: stored.flatMap { isElsewhere ? cas.first.directory : $0.metadata.directory } ?? cas.first.directory)
        if let stored, let window { wish.window = (stored.metadata.serial, window) }
        self.wish = wish
        let isKeyLost = fault == .retired || fault == .compromised
        isUseless = isKeyLost || isRevokedByCA
        request.mayExpireEarlier = isRevokedByCA || (window?.moment ?? .max) <= now
        let unfinished = journal.flatMap { $0.hasFailed ? nil : $0 }
        guard let stored else {
            self.request = request
            action = unfinished == nil ? .issue : .resume
            reasons = [unfinished == nil ? "it does not exist yet" : "its order was interrupted"]
            words = [unfinished == nil ? "missing" : "interrupted"]
            return
        }
        let differences = wish.differences(from: stored, unfinished, now: now)
        for case .keyType in differences { request.newKey = true }
        self.request = request
        var reasons = differences.map { $0.text(now: now) }, words = differences.map(\.word)
        if let fault, isKeyLost {
            reasons.append("its key is \(fault.rawValue)")
            words.append("key-\(fault.rawValue)")
        }
        if isRevokedByCA {
            reasons.append("its CA has revoked it")
            words.append("revoked-by-ca")
        }
        self.reasons = reasons
        self.words = words
        if stored.isRevoked || Self.isImported(stored, unfinished, isACMENamed: isACMENamed) {
            action = .left
        } else if reasons.isEmpty {
            action = .none
        } else if differences == [.unfinished] || differences == [.undeployed] {
            action = .resume
        } else {
            let isOnlyDue = differences.allSatisfy { if case .due = $0 { true } else { $0 == .unfinished || $0 == .undeployed } }
            action = isOnlyDue && !isUseless ? .renew : .replace
        }
    }

    /// Whether it came from elsewhere, and neither the declaration nor an interrupted order asks for one of an ACME CA.
    private static func isImported(_ stored: StoredCertificate, _ unfinished: OrderJournal?, isACMENamed: Bool) -> Bool {
        stored.metadata.directory == nil && unfinished == nil && !isACMENamed
    }

    var isToDo: Bool { action != .none && action != .left }

    /// Whether there is still something to do, decided again under the certificate's lock.
    func isWanted(_ stored: StoredCertificate?, _ journal: OrderJournal?, now: Int64) -> Bool {
        guard let stored else { return true }
        let unfinished = journal.flatMap { $0.hasFailed ? nil : $0 }
        if Self.isImported(stored, unfinished, isACMENamed: isACMENamed) { return false }
        // Another run may have replaced the useless certificate.
        if isUseless, stored.metadata.generation == self.stored?.metadata.generation { return true }
        return !stored.isRevoked && !wish.isMet(by: stored, unfinished, now: now)
    }

    /// What is, or was, to be done.
    func text(now: Int64) -> String {
        let why = reasons.joined(separator: ", ")
        return switch action {
        case .issue: "\(name): to be issued for \(Wording.list(declared.identifiers)): \(why)"
        case .renew: "\(name): to be renewed: \(why)"
        case .replace: "\(name): to be replaced: \(why)"
        case .resume: "\(name): to be resumed: \(why)"
        case .left where stored?.isRevoked == false:
            "\(name): imported, left alone (`ca` in its part of the configuration lets an ACME CA replace it)"
        case .left: "\(name): revoked, left alone (acme-agent renew \(name) --force replaces it)"
        case .none: "\(name): as declared, not due until \(due(now))"
        }
    }

    private func due(_ now: Int64) -> String {
        guard let stored else { return "-" }
        let due = wish.due(stored)
        return "\(RFC3339.string(due)) (\(Wording.moment(due, from: now)))"
    }
}

import ACME
import CertificateStore

extension IssuanceFlow {
    /// More alternate chains than any CA has.
    private static let maximumAlternates = 10
    /// For the search among alternate chains: the certificate is there and waits.
    private static let alternatesPatience: Duration = .seconds(20)

    /// Downloads the certificate, checks it, makes it the current one and takes it into use.
    func install(
        _ url: ACMEURL, _ order: IssuerOrder, _ request: IssuanceRequest, _ key: ManagedKey, _ keeper: JournalKeeper, wasResumed: Bool
    ) async throws -> IssuanceOutcome {
        let chain = try await preferredChain(at: url, request, key)
        observer(.downloaded(chain.url))
        try expectNoLoss(chain, request, key, installed: keeper.installed)
        await keeper.note([.downloaded(chain.url)])
        // RFC 8555 §11.4: the store refuses what is no certificate, for another key, or for other names.
        let stored = try await store.install(
            NewCertificate(
                name: request.name, pem: chain.pem, key: key.name, keyURI: key.uri, spki: key.publicKey.spki,
                identifiers: request.identifiers, directory: issuer.directory, account: issuer.account, order: order.url,
                certificate: chain.url, profile: order.profile ?? request.profile, time: time.unixTime(), isDeployed: deploy == nil))
        for warning in stored.chain.warnings { observer(.warning(warning)) }
        observer(.installed(stored))
        // Not written: the certificate itself says which order it is from, so that the next run knows it without the journal's word.
        await keeper.note([.installed(generation: stored.metadata.generation)])
        try await takeIntoUse(stored, journal: await keeper.journal, oldKey: request.oldKey)
        return IssuanceOutcome(certificate: stored, key: key, wasResumed: wasResumed)
    }

    /// Lets nothing take the installed certificate's place that leaves its user with less.
    /// - Throws: `IssuanceError.unexpectedAnswer`.
    private func expectNoLoss(_ chain: IssuerChain, _ request: IssuanceRequest, _ key: ManagedKey, installed: StoredCertificate?) throws {
        guard let installed else { return }
        let new = try CertificateChain(pem: chain.pem)
        guard new.leafDER != installed.chain.leafDER else {
            throw IssuanceError.unexpectedAnswer(
                "the CA gave the certificate again that is installed already (serial \(installed.metadata.serial)); nothing was renewed")
        }
        guard new.notAfter < installed.metadata.notAfter, !installed.isRevoked else { return }
        let ends =
            "the CA's certificate ends on \(RFC3339.string(new.notAfter)), before the installed one, which ends on "
            + RFC3339.string(installed.metadata.notAfter)
        // What the installed one is not is worth an earlier end: other names, another key, CA, profile or end.
        let metadata = installed.metadata
        let isOther =
            request.notAfter != nil || request.profile != metadata.profile || issuer.directory != metadata.directory
            || key.fingerprint != metadata.key.fingerprint || Set(request.identifiers) != Set(metadata.identifiers)
        guard isOther else { throw IssuanceError.unexpectedAnswer("\(ends) and stays") }
        observer(.warning(ends))
    }

    /// The chain that leads to the wanted root (RFC 8555 §7.4.2), the CA's own choice otherwise: also where another cannot be had, since the
    /// certificate is there and the root only a wish.
    private func preferredChain(at url: ACMEURL, _ request: IssuanceRequest, _ key: ManagedKey) async throws -> IssuerChain {
        let offered = try await issuer.chain(at: url, within: nil)
        guard let root = request.preferredRoot, !leads(offered, to: root) else { return offered }
        var roots = Self.root(of: offered)
        let end = time.uptime() + Self.alternatesPatience
        for alternate in offered.alternates.prefix(Self.maximumAlternates) {
            let left = end - time.uptime()
            guard left > .zero else { break }
            do {
                let chain = try await issuer.chain(at: alternate, within: left)
                roots += Self.root(of: chain).filter { !roots.contains($0) }
                guard leads(chain, to: root) else { continue }
                let certificates = try CertificateChain(pem: chain.pem)
                guard try certificates.leafDER == CertificateChain(pem: offered.pem).leafDER else {
                    throw IssuanceError.unexpectedAnswer("it is for another certificate")
                }
                try certificates.check(spki: key.publicKey.spki, identifiers: request.identifiers, time: time.unixTime())
                return chain
            } catch {
                try Task.checkCancellation()
                observer(.warning("the chain at \(alternate) is skipped: \(TerminalText.safe("\(error)", limit: 300))"))
            }
        }
        let names = roots.map { "\"\(TerminalText.safe($0, limit: 100))\"" }.joined(separator: ", ")
        observer(
            .warning(
                "the CA has no chain to \"\(TerminalText.safe(root, limit: 100))\" that can be used; its own choice is installed"
                    + (names.isEmpty ? "" : "; it offers \(names)")))
        return offered
    }

    /// The common name of the root that a chain leads to, where it can be read.
    private static func root(of chain: IssuerChain) -> [String] {
        (try? CertificateChain(pem: chain.pem).certificates.last?.issuerCommonNames.first).flatMap { $0 }.map { [$0] } ?? []
    }

    /// Whether the chain has a certificate that a root with this common name has issued. A chain that cannot be read leads nowhere.
    private func leads(_ chain: IssuerChain, to root: String) -> Bool {
        guard let certificates = try? CertificateChain(pem: chain.pem).certificates else { return false }
        return certificates.contains { $0.issuerCommonNames.contains(root) }
    }

    /// The last steps: old keys, the deploy hook, the end of the journal.
    private func takeIntoUse(_ stored: StoredCertificate, journal: OrderJournal, oldKey: IssuanceRequest.OldKey) async throws {
        await settleOldKeys(journal, oldKey)
        if let deploy {
            do { try await deploy(stored) } catch let error as CancellationError { throw error } catch {
                throw IssuanceError.deployFailed(stored.name, reason: "\(error)")
            }
            observer(.deployed(stored.name))
        }
        if !stored.isDeployed { try await store.markDeployed(stored.name, generation: stored.metadata.generation) }
        try await store.removeJournal(named: stored.name)
    }

    /// Whether the journal's certificate is in the store already. `.installed` may be missing: the run may have been cut off between.
    func isInstalled(_ journal: OrderJournal, _ stored: StoredCertificate?) -> Bool {
        guard let stored else { return false }
        if let generation = journal.installedGeneration { return generation == stored.metadata.generation }
        guard let order = journal.order, stored.metadata.order == order else { return false }
        // The URL alone is the CA's word: one that gives it out again would make a renewal that failed look as if it
        // were done.
        guard let replacing = journal.replacing else { return journal.started <= stored.metadata.installed }
        return stored.metadata.generation > replacing
    }

    /// Does what is left of a run that was cut off behind the installation.
    /// - Returns: the outcome where that was the very certificate which is wanted now.
    func finishInstalled(_ journal: OrderJournal, _ stored: StoredCertificate?, _ request: IssuanceRequest) async throws -> IssuanceOutcome?
    {
        guard let stored, isInstalled(journal, stored) else { return nil }
        observer(.resumed(journal.name, order: journal.order, after: .installation))
        try await takeIntoUse(stored, journal: journal, oldKey: request.oldKey)
        guard Set(stored.metadata.identifiers) == Set(request.identifiers), stored.metadata.directory == issuer.directory,
            let key = try await keys.key(named: stored.metadata.key.name), isMet(request, by: key, journal, stored)
        else { return nil }
        return IssuanceOutcome(certificate: stored, key: key, wasResumed: true)
    }
    /// Whether an order that is done gave what is wanted now, beside the names.
    private func isMet(_ request: IssuanceRequest, by key: ManagedKey, _ journal: OrderJournal, _ stored: StoredCertificate) -> Bool {
        (request.key == nil || request.key == key.name) && (!request.newKey || journal.announcesNewKey)
            && (!request.isKeyAlgorithmWanted || request.keyAlgorithm == key.algorithm)
            && (!request.mustStaple || journal.mustStaple || stored.chain.leaf.mustStaple)
    }
}

import ACME
import CertificateStore

extension IssuanceFlow {
    /// More alternate chains than any CA has.
    private static let maximumAlternates = 10
    /// Time limit for searching the alternate chains, since the certificate is ready to be installed.
    private static let alternatesPatience: Duration = .seconds(20)

    /// Downloads and checks the certificate, makes it the current one and deploys it.
    func install(
        _ url: ACMEURL, _ order: IssuerOrder, _ request: IssuanceRequest, _ key: ManagedKey, _ keeper: JournalKeeper, wasResumed: Bool
    ) async throws -> IssuanceOutcome {
        let chain = try await preferredChain(at: url, request, key)
        observer(.downloaded(chain.url))
        try expectNoLoss(chain, request, key, installed: keeper.installed)
        await keeper.note([.downloaded(chain.url)])
        // RFC 8555 §11.4: the store refuses anything that is not a certificate for this key and these names.
        let stored = try await store.install(
            NewCertificate(
                name: request.name, pem: chain.pem, key: key.name, keyURI: key.uri, spki: key.publicKey.spki,
                identifiers: request.identifiers, directory: issuer.directory, account: issuer.account, order: order.url,
                certificate: chain.url, profile: order.profile ?? request.profile, time: time.unixTime(), isDeployed: deploy == nil))
        for warning in stored.chain.warnings { observer(.warning(warning)) }
        observer(.installed(stored))
        await warnOfCompromised(keeper.installed)
        // Not written: the certificate's metadata names its order, so that the next run knows it without the journal.
        await keeper.note([.installed(generation: stored.metadata.generation)])
        try await takeIntoUse(stored, journal: await keeper.journal, oldKey: request.oldKey)
        return IssuanceOutcome(certificate: stored, key: key, wasResumed: wasResumed)
    }

    /// Refuses a certificate that is no improvement on the installed one.
    /// - Throws: `IssuanceError.unexpectedAnswer`.
    private func expectNoLoss(_ chain: IssuerChain, _ request: IssuanceRequest, _ key: ManagedKey, installed: StoredCertificate?) throws {
        guard let installed else { return }
        let new = try CertificateChain(pem: chain.pem)
        guard new.leafDER != installed.chain.leafDER else {
            throw IssuanceError.unexpectedAnswer(
                "the CA returned the certificate that is already installed (serial \(installed.metadata.serial)); nothing was renewed")
        }
        guard new.notAfter < installed.metadata.notAfter, !installed.isRevoked else { return }
        let ends =
            "the CA's certificate expires on \(RFC3339.string(new.notAfter)), before the installed one, which expires on "
            + RFC3339.string(installed.metadata.notAfter)
        // An earlier expiry is acceptable if something else differs: the names, key, CA, profile or requested expiry.
        let metadata = installed.metadata
        let isOther =
            request.mayExpireEarlier || request.notAfter != nil
            || request.profile != metadata.profile || issuer.directory != metadata.directory
            || key.fingerprint != metadata.key.fingerprint || Set(request.identifiers) != Set(metadata.identifiers)
        guard isOther else { throw IssuanceError.unexpectedAnswer("\(ends) and is kept") }
        observer(.warning(ends))
    }

    /// The chain to the preferred root (RFC 8555 §7.4.2), or the CA's default chain if there is none: the preference
    /// must not lose an issued certificate.
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
                "the CA has no usable chain to \"\(TerminalText.safe(root, limit: 100))\"; its default chain is installed"
                    + (names.isEmpty ? "" : "; it offers \(names)")))
        return offered
    }

    /// The common name of a chain's root, if it can be read.
    private static func root(of chain: IssuerChain) -> [String] {
        (try? CertificateChain(pem: chain.pem).certificates.last?.issuerCommonNames.first).flatMap { $0 }.map { [$0] } ?? []
    }

    /// Whether an issuer with this common name issued a certificate of the chain; `false` if the chain cannot be read.
    private func leads(_ chain: IssuerChain, to root: String) -> Bool {
        guard let certificates = try? CertificateChain(pem: chain.pem).certificates else { return false }
        return certificates.contains { $0.issuerCommonNames.contains(root) }
    }

    /// Others can still pose as the certificate's names until it is revoked.
    private func warnOfCompromised(_ replaced: StoredCertificate?) async {
        guard let replaced, !replaced.isRevoked,
            (try? await store.isCompromised(replaced.metadata.key.fingerprint)) ?? false
        else { return }
        observer(
            .warning(
                "the replaced certificate, serial \(replaced.metadata.serial), has a compromised key and is not revoked: "
                    + "acme-agent revoke \(replaced.name) --reason keyCompromise"))
    }

    /// The last steps: run the deploy hook, settle old keys, remove the journal. If the hook fails, servers still use
    /// the old key.
    private func takeIntoUse(_ stored: StoredCertificate, journal: OrderJournal, oldKey: IssuanceRequest.OldKey) async throws {
        if let deploy {
            do { try await deploy(stored) } catch let error as CancellationError { throw error } catch {
                throw IssuanceError.deployFailed(stored.name, reason: "\(error)")
            }
            observer(.deployed(stored.name))
        } else if !stored.isDeployed {
            // Without its hook, servers would go on with the old key until it is retired.
            throw IssuanceError.deployFailed(
                stored.name,
                reason: "it was ordered with a hook that no option or setting names now: repeat --deploy-hook PROGRAM, "
                    + "or let `acme-agent issue` remember it")
        }
        if !stored.isDeployed { try await store.markDeployed(stored.name, generation: stored.metadata.generation) }
        // After a rollback: it is in use again.
        try await store.removeOutgoing(stored.metadata.key.fingerprint)
        try await settleOldKeys(journal, oldKey)
        try await store.removeJournal(named: stored.name)
    }

    /// Completes a run that was interrupted after the installation.
    /// - Returns: the outcome, if that certificate is the requested one.
    func finishInstalled(_ journal: OrderJournal, _ stored: StoredCertificate?, _ request: IssuanceRequest) async throws -> IssuanceOutcome?
    {
        guard let stored, journal.isInstalled(as: stored) else { return nil }
        observer(.resumed(journal.name, order: journal.order, after: .installation))
        try await takeIntoUse(stored, journal: journal, oldKey: request.oldKey)
        guard Set(stored.metadata.identifiers) == Set(request.identifiers), stored.metadata.directory == issuer.directory,
            let key = try await keys.key(named: stored.metadata.key.name), isMet(request, by: key, journal, stored)
        else { return nil }
        return IssuanceOutcome(certificate: stored, key: key, wasResumed: true, wasInstalled: true)
    }

    /// Whether a completed order meets the request in everything but the names.
    private func isMet(_ request: IssuanceRequest, by key: ManagedKey, _ journal: OrderJournal, _ stored: StoredCertificate) -> Bool {
        (request.key == nil || request.key == key.name) && (!request.newKey || journal.announcesNewKey)
            && (!request.isKeyAlgorithmWanted || request.keyAlgorithm == key.algorithm)
            && (!request.mustStaple || journal.mustStaple || stored.chain.leaf.mustStaple)
    }
}

extension OrderJournal {
    /// Whether the journal's certificate is already in the store. `.installed` may be missing if the run was
    /// interrupted right after the installation.
    public func isInstalled(as stored: StoredCertificate?) -> Bool {
        guard let stored else { return false }
        if let generation = installedGeneration { return generation == stored.metadata.generation }
        guard let order, stored.metadata.order == order else { return false }
        // The URL alone is not enough: a CA that reuses it would make a failed renewal look done.
        guard let replacing else { return started <= stored.metadata.installed }
        return stored.metadata.generation > replacing
    }
}

import ACME
import AgentInterface
import CertificateStore
import Report

extension AgentFacts {
    init(_ status: AgentStatus, socket: String, counts: Known<AgentCounts>) {
        self.init(
            version: status.version, socket: socket, configuration: status.configuration.map { ($0.loaded, $0.sha256) },
            trailState: status.auditState, tokens: status.tokens.map(TokenFact.init), counts: counts)
    }
}

extension TokenFact {
    init(_ token: TokenStatus) {
        self.init(
            name: token.name, state: token.state.rawValue, label: token.label, model: token.model, message: token.message, hint: token.hint,
            restarts: token.restarts)
    }
}

extension KeyFact {
    init(_ key: KeyDescription) {
        self.init(
            name: key.name.rawValue, usage: key.usage.rawValue, algorithm: key.algorithm.rawValue, state: key.state.rawValue,
            token: key.token, uri: key.uri, directory: key.directory, fingerprint: key.fingerprint, created: key.created,
            weaknesses: key.weaknesses)
    }
}

extension CertificateFact {
    init(_ report: CertificateReport) {
        let metadata = report.certificate.metadata
        self.init(
            name: report.certificate.name.rawValue, identifiers: metadata.identifiers.map(\.value), state: report.word,
            needsAttention: report.concern != nil, notBefore: metadata.notBefore, notAfter: metadata.notAfter,
            renewal: metadata.directory == nil ? nil : report.renewal, issuer: report.issuer, key: metadata.key.name.rawValue)
    }
}

extension AccessMatrix {
    /// - Parameter own: the caller's grants, of whose rates the agent tells what is left.
    init(_ listing: GrantListing, own: [GrantStatus]) {
        let rates = Dictionary(own.map { ($0.name, $0.rates) }) { first, _ in first }
        self.init(rows: listing.grants.map { Row($0, rates: rates[$0.grant.name] ?? []) }, isComplete: listing.isComplete)
    }
}

extension AccessMatrix.Row {
    init(_ assigned: AssignedGrant, rates: [RateStatus]) {
        let grant = assigned.grant
        self.init(
            who: assigned.users.map { "user \($0)" } + assigned.groups.map { "group \($0)" }, grant: grant.name, line: assigned.line,
            off: assigned.off, keys: grant.keys,
            identifiers: grant.identifiers + (grant.wildcards && !grant.identifiers.isEmpty ? ["and wildcards"] : []),
            cas: grant.cas + grant.externalAccounts.map { "with external account \($0)" },
            // Operations about keys are none without keys.
            operations: Set(grant.operations.filter { !grant.keys.isEmpty || Operation(rawValue: $0)?.isAboutKeys == false }),
            limits: rates.isEmpty ? assigned.limits.map(\.description) : rates.map(\.description))
    }
}

import ACME

/// All grants, and the decision about a request. Pure: the same question has the same answer, at any time and in any
/// state.
///
/// - One grant alone must cover a whole request. Grants never add up: a caller with `web` for one name and `mail` for
///   another may not order a certificate for both.
/// - What no grant covers is refused.
public struct Policy: Sendable {
    /// In the order of the configuration.
    public let grants: [Grant]
    /// Those for handshakes: few, and asked for each key of a listing.
    private let handshakeGrants: [Grant]
    /// By the names of the grants that have one.
    private let rates: [String: GrantRate]

    /// - Throws: `PatternError` if two grants have one name, a grant has no name, or one gives an operation without the
    ///   stronger one whose payload it shares.
    public init(grants: [Grant]) throws(PatternError) {
        var names: Set<[UInt8]> = []
        for grant in grants {
            guard !grant.name.utf8.isEmpty else { throw PatternError("", "a grant has no name") }
            guard names.insert(Array(grant.name.utf8)).inserted else { throw PatternError(grant.name, "two grants have this name") }
            if let (weaker, stronger) = grant.operations.incomplete {
                throw PatternError(
                    grant.name, "the grant gives \"\(weaker.rawValue)\" without \"\(stronger.rawValue)\", whose payload is the same")
            }
        }
        self.grants = grants
        handshakeGrants = grants.filter { grant in HandshakeMessage.allCases.contains { grant.operations.contains($0.operation) } }
        rates = Dictionary(grants.compactMap { grant in grant.rate.map { (grant.name, $0) } }) { first, _ in first }
    }

    /// The policy that refuses everything.
    public init() {
        grants = []
        handshakeGrants = []
        rates = [:]
    }

    /// Whether some grant has a rate.
    public var hasRates: Bool { !rates.isEmpty }

    public func rate(ofGrant name: String) -> GrantRate? { rates[name] }

    /// Whether some grant has peer, operation and keys. Asked before the rest of a request is read, so that a caller
    /// without such a grant costs nothing more.
    /// - Parameter otherKey: The request's second key, if it has one.
    public func mayAsk(_ operation: Operation, key: KeyName, otherKey: KeyName?, peer: Peer) -> Bool {
        !Policy.isNobody(peer)
            && grants.indices.contains { index in
                grants[index].operations.contains(operation) && grants[index].covers(peer) && grants[index].covers(key: key)
                    && (otherKey.map { grants[index].covers(key: $0) } ?? true)
            }
    }

    /// Names of the external account credentials that the peer's grants list, in order.
    public func externalAccounts(for peer: Peer) -> [String] {
        Set(grants(for: peer).flatMap(\.externalAccounts)).sorted()
    }

    /// Decides. Keys are judged by name, whether they exist or not, so that the two cases look the same.
    /// - Parameter passedOver: Names of grants that are not asked.
    public func decide(_ question: PolicyQuestion, passedOver: [String] = []) -> PolicyDecision {
        guard !Policy.isNobody(question.peer) else {
            return .refused(
                Refusal(
                    .unmappedUser,
                    forCaller: CallerRefusal(.notPermitted, message: "the agent cannot tell who you are (uid \(question.peer.uid))")))
        }
        // By index: a copy of a grant would count several references for every signature.
        var covering: Int?
        for index in grants.indices where grants[index].covers(question) && !passedOver.contains(grants[index].name) {
            covering = index
            break
        }
        guard let covering else { return .refused(refusal(of: question)) }
        if question.operation.needsIdentifiers, question.identifiers.isEmpty {
            return .refused(
                Refusal(
                    .noIdentifiers,
                    forCaller: CallerRefusal(.identifierRefused, message: "a certificate must be for at least one identifier")))
        }
        if question.operation.isForCA, !isURLOfCA(question) {
            return .refused(Refusal(.urlNotOfCA, forCaller: Policy.wrongURL(question)))
        }
        return .allowed(grant: grants[covering].name)
    }

    /// Whether the peer may see that this key exists: some grant has peer, key and `list-keys`.
    public func mayList(key: KeyName, peer: Peer) -> Bool {
        !Policy.isNobody(peer) && grants.contains { $0.operations.contains(.listKeys) && $0.covers(peer) && $0.covers(key: key) }
    }

    /// Whether an explanation may tell the peer what it depends on of the request's first key itself, such as its CA: only
    /// if the request would, or a listing.
    public func mayLearn(ofKeys keys: [KeyName], asking operation: Operation, peer: Peer) -> Bool {
        guard let key = keys.first else { return false }
        return mayAsk(operation, key: key, otherKey: keys.dropFirst().first, peer: peer) || mayList(key: key, peer: peer)
    }

    /// The handshakes that grants allow with a key of this name.
    /// - Parameter peer: Whose grants; `nil` for anybody's.
    public func handshakes(key: KeyName, of peer: Peer?) -> [HandshakeMessage] {
        if let peer, Policy.isNobody(peer) { return [] }
        let grants = handshakeGrants.filter { grant in grant.covers(key: key) && (peer.map { grant.covers($0) } ?? true) }
        return grants.isEmpty
            ? [] : HandshakeMessage.allCases.filter { message in grants.contains { $0.operations.contains(message.operation) } }
    }

    /// The keys of grants with this handshake.
    /// - Parameter peer: Whose grants; `nil` for anybody's.
    public func keys(for message: HandshakeMessage, of peer: Peer?) -> [KeyPattern] {
        if let peer, Policy.isNobody(peer) { return [] }
        return handshakeGrants.filter { grant in grant.operations.contains(message.operation) && (peer.map { grant.covers($0) } ?? true) }
            .flatMap(\.keys)
    }

    /// The peer's grants, for `GetStatus`.
    public func grants(for peer: Peer) -> [Grant] {
        Policy.isNobody(peer) ? [] : grants.filter { $0.covers(peer) }
    }

    private static func isNobody(_ peer: Peer) -> Bool { peer.uid == Peer.unmapped || peer.uid == .max }

    /// RFC 8555 §6.4: the signed URL says for which resource a request is meant; on another origin it would be meant
    /// for another server. Only a revocation by the certificate's own key has no account and so no binding; then only
    /// the grant's CAs limit it.
    private func isURLOfCA(_ question: PolicyQuestion) -> Bool {
        guard let url = question.url else { return false }
        guard let binding = question.binding else { return question.operation == .revokeCertificate }
        return binding.covers(url)
    }

    private static func wrongURL(_ question: PolicyQuestion) -> CallerRefusal {
        let key = question.keys.first?.rawValue ?? ""
        guard let binding = question.binding else {
            return CallerRefusal(.urlRefused, message: "key \"\(key)\" is not bound to a CA, so it signs no account requests")
        }
        return CallerRefusal(
            .urlRefused, message: "the URL does not belong to the CA to which key \"\(key)\" is bound",
            hint: "the key signs for \(binding.origin) only")
    }

    // MARK: Refusing

    /// Decides, and says what came closest. What a peer is told depends on the question and on the grants for this peer
    /// alone; the question must then say nothing that the peer may not know, such as the CA of another's key.
    public func explain(_ question: PolicyQuestion, to listener: PolicyExplanation.Listener) -> PolicyExplanation {
        let decision = decide(question)
        guard case .refused(let refusal) = decision else { return PolicyExplanation(decision: decision) }
        var nearest = refusal.nearestGrant
        switch refusal.reason {
        case .unmappedUser: return PolicyExplanation(decision: decision)
        case .noGrant, .keyNotGranted:
            // The log's may be another peer's.
            if listener == .peer {
                nearest = self.nearest(question, among: grants(for: question.peer))
                    .map { Refusal.NearestGrant(name: $0.grant.name, lacks: $0.lacks) }
            }
        default: break
        }
        guard let nearest, let grant = grants.first(where: { $0.name == nearest.name }) else {
            return PolicyExplanation(decision: decision)
        }
        let lacks = nearest.lacks.map { PolicyExplanation.Lack(gap: $0, change: grant.change(closing: $0, for: question)) }
        return PolicyExplanation(decision: decision, nearest: PolicyExplanation.NearestGrant(name: nearest.name, lacks: lacks))
    }

    private func refusal(of question: PolicyQuestion) -> Refusal {
        let nearest = nearest(question, among: grants)
        let log = nearest.map { Refusal.NearestGrant(name: $0.grant.name, lacks: $0.lacks) }
        let own = grants.filter { $0.covers(question.peer) }
        guard !own.isEmpty else {
            return Refusal(.noGrant, nearestGrant: log, forCaller: Policy.unknown(question))
        }
        let withKeys = own.filter { grant in question.keys.allSatisfy { grant.covers(key: $0) } }
        guard let closest = self.nearest(question, among: withKeys), let gap = closest.lacks.first else {
            return Refusal(.keyNotGranted, nearestGrant: log, forCaller: Policy.unknown(question, own: own))
        }
        let (reason, caller) = Policy.explain(gap, closest.grant, question)
        // Name the caller's own grant, even if another's would come equally close or closer.
        return Refusal(reason, nearestGrant: Refusal.NearestGrant(name: closest.grant.name, lacks: closest.lacks), forCaller: caller)
    }

    /// The grant with the fewest gaps; of several, the one whose first gap comes last in the order of explanation (a
    /// grant for the right CA and other names is closer than one for the right names at another CA); then the one with
    /// the fewest uncovered identifiers; then the first.
    private func nearest(_ question: PolicyQuestion, among grants: [Grant]) -> (grant: Grant, lacks: [GrantGap])? {
        var best: (grant: Grant, lacks: [GrantGap])?
        var bestRank = (Int.max, Int.max, Int.max)
        for grant in grants {
            let lacks = grant.lacks(question)
            var uncovered = 0
            for case .identifiers(let identifiers) in lacks { uncovered += identifiers.count }
            let rank = (lacks.count, -(lacks.first?.stage ?? 0), uncovered)
            if rank < bestRank { (best, bestRank) = ((grant, lacks), rank) }
        }
        return best
    }

    /// For a caller without a grant for the key: about the first key that is not granted, or about the operation if it
    /// has no key.
    private static func unknown(_ question: PolicyQuestion, own: [Grant] = []) -> CallerRefusal {
        if question.operation == .createKey || question.operation == .adoptKey {
            // The caller chose the name; that it is not granted says nothing about what exists.
            return CallerRefusal(
                .notPermitted, message: "no grant lets you make a key named \"\(question.keys.first?.rawValue ?? "")\"",
                hint: own.isEmpty ? nil : "your grants are for keys named \(keysText(own))")
        }
        let missing = question.keys.first { key in !own.contains { $0.covers(key: key) } } ?? question.keys.last
        return missing.map { .keyNotFound($0) }
            ?? CallerRefusal(
                .notPermitted, message: "no grant lets you do \"\(question.operation.rawValue)\"",
                hint: "ask the administrator to add \"\(question.operation.rawValue)\" to the operations of a grant that names you")
    }

    private static func keysText(_ grants: [Grant]) -> String {
        let keys = grants.flatMap(\.keys)
        let shown = keys.prefix(8).map(\.description).joined(separator: ", ")
        return keys.count > 8 ? "\(shown) and \(keys.count - 8) more" : "\(shown) only"
    }

    /// What was refused at a CA that the grant is not for: `sign for the CA https://ca.example`. Nothing is signed where a
    /// key of that CA is administered.
    private static func deed(_ question: PolicyQuestion, at origin: Origin) -> String {
        let key = "key \"\(question.keys.first?.rawValue ?? "")\""
        switch question.operation {
        case .createKey: return "make \(key) for the CA \(origin)"
        case .adoptKey: return "adopt \(key) for the CA \(origin)"
        case .retireKey: return "retire \(key) of the CA \(origin)"
        case .deleteKey: return "delete \(key) of the CA \(origin)"
        case .listKeys: return "show \(key) of the CA \(origin)"
        case .newAccount, .updateAccount, .deactivateAccount, .keyChange, .newOrder, .postAsGet, .respondToChallenge,
            .deactivateAuthorization, .finalize, .revokeCertificate, .signRequest, .signHandshake, .signClientHandshake,
            .signServerKeyExchange, .readAudit, .readMetrics:
            return "sign for the CA \(origin)"
        }
    }

    /// For a caller who has the keys granted: what its own grant covers.
    private static func explain(_ gap: GrantGap, _ grant: Grant, _ question: PolicyQuestion) -> (Refusal.Reason, CallerRefusal) {
        switch gap {
        case .peer, .key: return (.keyNotGranted, unknown(question))
        case .operation(let operation):
            let allowed = grant.operations.map(\.rawValue).sorted().joined(separator: ", ")
            return (
                .operationNotGranted,
                CallerRefusal(
                    .notPermitted, message: "the agent refused the operation \"\(operation.rawValue)\"",
                    hint: "grant \"\(grant.name)\" is for \(allowed.isEmpty ? "no operation" : allowed); "
                        + "its administrator can add \"\(operation.rawValue)\"")
            )
        case .ca(let origin):
            let cas = grant.cas.prefix(8).map(\.description).joined(separator: ", ")
            return (
                .caNotGranted,
                CallerRefusal(
                    .urlRefused, message: "the agent refused to \(deed(question, at: origin))",
                    hint: "grant \"\(grant.name)\" is for \(cas.isEmpty ? "no CA" : "\(cas) only")")
            )
        case .externalAccount(let name):
            // Whether such a credential is configured concerns only those who may use it.
            return (
                .externalAccountNotGranted,
                CallerRefusal(
                    .notPermitted, message: "the agent refused to use the external account \"\(PatternError.printable(name))\"",
                    hint: "grant \"\(grant.name)\" is for "
                        + (grant.externalAccounts.isEmpty
                            ? "no external account; the administrator lists them in its external-accounts"
                            : "\(grant.externalAccounts.prefix(8).joined(separator: ", ")) only"))
            )
        case .identifiers(let identifiers):
            return (
                .identifierNotGranted,
                CallerRefusal(
                    .identifierRefused, message: "the agent refused to sign for \(GrantGap.list(identifiers))",
                    hint: "grant \"\(grant.name)\" covers \(grant.identifiersText)", identifiers: identifiers.map(\.value))
            )
        case .wildcards(let identifiers):
            return (
                .wildcardNotGranted,
                CallerRefusal(
                    .identifierRefused, message: "the agent refused to sign for \(GrantGap.list(identifiers))",
                    hint: "grant \"\(grant.name)\" is not for wildcard certificates", identifiers: identifiers.map(\.value))
            )
        }
    }
}

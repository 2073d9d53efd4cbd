import ACME
import StrictJSON

/// What was started for a certificate and how far it got. Each step is recorded before it is taken (`intentKey`) or, if
/// its result matters, after the answer and before the next request that changes something (`orderCreated`: CAs do not
/// reliably list orders, RFC 8555 §7.1.2.1).
public struct OrderJournal: Hashable, Sendable {
    public var name: CertificateName
    public var directory: ACMEURL
    /// In the requested order.
    public var identifiers: [Identifier]
    public var profile: String?
    /// Whether the certificate request asks for the TLS feature "must staple" (RFC 7633). Journals before format 3
    /// do not record it.
    public var mustStaple: Bool
    /// The account key's name in the agent.
    public var accountKey: KeyName
    /// The account's URL; journals of format 1 do not have it.
    public var account: ACMEURL?
    /// Unix seconds.
    public var started: Int64
    /// The generation that was installed when the order was started, 0 if there was none; `nil` in journals before
    /// format 3. A CA may answer with an earlier order's URL, but a generation never recurs.
    public var replacing: Int?
    public private(set) var steps: [JournalStep]

    public init(
        name: CertificateName, directory: ACMEURL, identifiers: [Identifier], profile: String? = nil, mustStaple: Bool = false,
        accountKey: KeyName, account: ACMEURL? = nil, started: Int64, replacing: Int? = nil, steps: [JournalStep] = []
    ) {
        self.name = name
        self.directory = directory
        self.identifiers = identifiers
        self.profile = profile
        self.mustStaple = mustStaple
        self.accountKey = accountKey
        self.account = account
        self.started = started
        self.replacing = replacing
        self.steps = steps
    }

    public mutating func append(_ step: JournalStep) { steps.append(step) }

    /// Whether the order ended without a certificate; see `JournalStep.failed`.
    public var hasFailed: Bool { steps.last == .failed }

    /// Removes the failure, because the certificate was requested again.
    public mutating func reopen() {
        while steps.last == .failed { steps.removeLast() }
    }

    /// Removes the current order's announcement of a finalize that was not sent.
    public mutating func withdrawFinalize() {
        guard let order = steps.lastIndex(where: { if case .orderCreated = $0 { true } else { false } }) else { return }
        steps = steps.enumerated().filter { $0.offset <= order || $0.element != .finalized }.map(\.element)
    }

    /// The certificate key that was announced, whether it was made or not.
    public var key: KeyName? {
        for case .intentKey(let name, _) in steps.reversed() { return name }
        return nil
    }

    /// The order's URL, if the CA has answered newOrder.
    public var order: ACMEURL? {
        for case .orderCreated(let url, _, _) in steps.reversed() { return url }
        return nil
    }

    /// Challenges that were set up and not yet cleaned up.
    public var challengesToCleanUp: [ChallengeAnswer] {
        var open: [ChallengeAnswer] = []
        for step in steps {
            switch step {
            case .challengeSetUp(let answer): open.append(answer)
            case .challengeCleanedUp(let answer): open.removeAll { $0 == answer }
            default: break
            }
        }
        return open
    }

    /// The generation installed from this order.
    public var installedGeneration: Int? {
        for case .installed(let generation) in steps.reversed() { return generation }
        return nil
    }

    /// Whether finalize was announced for the current order.
    public var isFinalizing: Bool {
        for step in steps.reversed() {
            switch step {
            case .finalized, .downloaded, .installed: return true
            case .orderCreated: return false
            default: continue
            }
        }
        return false
    }
}

extension OrderJournal: StoreDocument {
    static let kind = "order"
    /// Format 2 added the account's URL, the order's URLs, and failed orders. Format 3 added `mustStaple`, the
    /// generation that is replaced, and the step before a key is made.
    static let version: Int64 = 3

    func write(_ writer: inout JSONWriter) {
        writer.member("name", name.rawValue)
        writer.member("directory", directory.text)
        writer.name("identifiers")
        IdentifierList.write(identifiers, &writer)
        writer.member("profile", ifPresent: profile)
        if mustStaple { writer.member("mustStaple", true) }
        writer.member("accountKey", accountKey.rawValue)
        writer.member("account", ifPresent: account?.text)
        writer.member("started", RFC3339.string(started))
        writer.member("replacing", ifPresent: replacing.map { Int64($0) })
        writer.name("steps")
        writer.beginArray()
        for step in steps { step.write(&writer) }
        writer.endArray()
    }

    init(_ object: JSONObject) throws {
        try object.finish(
            known: [
                "version", "kind", "name", "directory", "identifiers", "profile", "mustStaple", "accountKey", "account", "started",
                "replacing", "steps",
            ])
        guard let started = RFC3339.seconds(try object.string("started")) else {
            throw JSONError(.invalidValue, offset: 0, member: "started")
        }
        self.init(
            name: try CertificateName(object.string("name")), directory: try ACMEURL(object.string("directory")),
            identifiers: try IdentifierList.read(object, "identifiers"), profile: try object.optionalString("profile"),
            mustStaple: try object.optionalBool("mustStaple") ?? false, accountKey: try KeyName(object.string("accountKey")),
            account: try object.optionalString("account").map { try ACMEURL($0) }, started: started,
            replacing: try object.optionalInteger("replacing").map { Int($0) },
            steps: try object.array("steps").map { try JournalStep($0.object()) })
    }
}

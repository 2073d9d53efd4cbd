/// Something that the page shows, or why it cannot.
public enum Known<Value: Sendable>: Sendable {
    case known(Value)
    /// A sentence without a full stop, of any origin.
    case unknown(String)

    var value: Value? { if case .known(let value) = self { value } else { nil } }
}

/// Everything that a page is made from. Texts are as they came: the page makes them safe.
public struct ReportFacts: Sendable {
    /// Unix seconds.
    public var made: Int64
    /// The program's version.
    public var version: String
    /// The machine's name.
    public var host: String
    /// Who had it made: `alice (1000)`.
    public var user: String
    public var agent: Known<AgentFacts>
    public var keys: Known<[KeyFact]>
    public var certificates: Known<StoreFacts>
    public var access: Known<AccessMatrix>
    public var trail: Known<TrailFacts>
    /// What needs attention, one sentence each.
    public var attention: [String]

    public init(
        made: Int64, version: String, host: String, user: String, agent: Known<AgentFacts>, keys: Known<[KeyFact]>,
        certificates: Known<StoreFacts>, access: Known<AccessMatrix>, trail: Known<TrailFacts>, attention: [String]
    ) {
        self.made = made
        self.version = version
        self.host = host
        self.user = user
        self.agent = agent
        self.keys = keys
        self.certificates = certificates
        self.access = access
        self.trail = trail
        self.attention = attention
    }
}

/// What the agent says of itself.
public struct AgentFacts: Sendable {
    public var version: String
    public var socket: String
    /// When the configuration in force was read (RFC 3339), and its SHA-256; `nil` for a caller who is not told.
    public var configuration: (loaded: String, sha256: String)?
    /// `writable`, or why it is not; empty for a caller who is not told.
    public var trailState: String
    public var tokens: [TokenFact]
    /// What it has counted since its start; not known for a caller without the operation `read-metrics`.
    public var counts: Known<AgentCounts>

    public init(
        version: String, socket: String, configuration: (loaded: String, sha256: String)?, trailState: String, tokens: [TokenFact],
        counts: Known<AgentCounts>
    ) {
        self.version = version
        self.socket = socket
        self.configuration = configuration
        self.trailState = trailState
        self.tokens = tokens
        self.counts = counts
    }
}

/// A token, and how it is.
public struct TokenFact: Sendable {
    public var name: String
    /// `ready`, `starting` or `unavailable`.
    public var state: String
    public var label: String?
    public var model: String?
    /// Why it is not available, and what to do.
    public var message: String?
    public var hint: String?
    public var restarts: Int

    public init(
        name: String, state: String, label: String? = nil, model: String? = nil, message: String? = nil, hint: String? = nil,
        restarts: Int = 0
    ) {
        self.name = name
        self.state = state
        self.label = label
        self.model = model
        self.message = message
        self.hint = hint
        self.restarts = restarts
    }
}

/// A key of the agent.
public struct KeyFact: Sendable {
    public var name: String
    public var usage: String
    public var algorithm: String
    public var state: String
    public var token: String
    /// RFC 7512
    public var uri: String
    /// The ACME directory of an account key.
    public var directory: String?
    /// SHA-256 of the SubjectPublicKeyInfo, hex.
    public var fingerprint: String
    /// RFC 3339
    public var created: String
    /// What the private key allows beyond signing; `nil` if that was not checked.
    public var weaknesses: [String]?

    public init(
        name: String, usage: String, algorithm: String, state: String, token: String, uri: String, directory: String?, fingerprint: String,
        created: String, weaknesses: [String]?
    ) {
        self.name = name
        self.usage = usage
        self.algorithm = algorithm
        self.state = state
        self.token = token
        self.uri = uri
        self.directory = directory
        self.fingerprint = fingerprint
        self.created = created
        self.weaknesses = weaknesses
    }
}

/// The certificates of a store.
public struct StoreFacts: Sendable {
    public var folder: String
    public var certificates: [CertificateFact]

    public init(folder: String, certificates: [CertificateFact]) {
        self.folder = folder
        self.certificates = certificates
    }
}

/// A stored certificate.
public struct CertificateFact: Sendable {
    public var name: String
    public var identifiers: [String]
    /// In a word or two, such as `valid` or `key gone`.
    public var state: String
    public var needsAttention: Bool
    /// Unix seconds.
    public var notBefore: Int64
    public var notAfter: Int64
    /// When a timer renews it; `nil` if none does.
    public var renewal: Int64?
    public var issuer: String
    public var key: String

    public init(
        name: String, identifiers: [String], state: String, needsAttention: Bool, notBefore: Int64, notAfter: Int64, renewal: Int64?,
        issuer: String, key: String
    ) {
        self.name = name
        self.identifiers = identifiers
        self.state = state
        self.needsAttention = needsAttention
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.renewal = renewal
        self.issuer = issuer
        self.key = key
    }
}

/// Who may do what, by the grants of the policy.
public struct AccessMatrix: Sendable {
    public struct Row: Sendable {
        /// Users and groups, as the configuration names them.
        public var who: [String]
        public var grant: String
        /// In the configuration; `nil` for a caller who is not told.
        public var line: Int?
        /// Why it is off and allows nothing; `nil` if it is in force.
        public var off: String?
        /// Patterns, as in the configuration.
        public var keys: [String]
        public var identifiers: [String]
        public var cas: [String]
        /// Names of operations.
        public var operations: Set<String>
        /// Sentences.
        public var limits: [String]

        public init(
            who: [String], grant: String, line: Int? = nil, off: String? = nil, keys: [String], identifiers: [String], cas: [String],
            operations: Set<String>, limits: [String]
        ) {
            self.who = who
            self.grant = grant
            self.line = line
            self.off = off
            self.keys = keys
            self.identifiers = identifiers
            self.cas = cas
            self.operations = operations
            self.limits = limits
        }
    }

    public var rows: [Row]
    /// Whether these are the grants of everybody.
    public var isComplete: Bool

    public init(rows: [Row], isComplete: Bool) {
        self.rows = rows
        self.isComplete = isComplete
    }
}

/// What was read of the audit trail, and how.
public struct TrailFacts: Sendable {
    public enum Source: Sendable {
        /// The agent's answer: of the last records, so many at most.
        case agent(records: Int)
        /// The files themselves.
        case files([String])
    }

    public var source: Source
    public var activity: TrailActivity
    /// What is wrong with the trail, as far as it was read; `nil` if nothing is.
    public var fault: String?
    /// Where the trail itself says that records may be missing.
    public var gaps: [String]
    /// The names of users, as far as this machine has them.
    public var users: [UInt32: String]

    public init(source: Source, activity: TrailActivity, fault: String?, gaps: [String], users: [UInt32: String]) {
        self.source = source
        self.activity = activity
        self.fault = fault
        self.gaps = gaps
        self.users = users
    }
}

import ACME
import ACMEClient
import Crypto
import JOSE
import StrictJSON
import Synchronization

/// An ACME CA in memory, in place of the transport: no sockets, no sleeps. It checks what a real one checks (single-use
/// nonces, URLs, signatures, states), and can be told to be slow, strict or hostile. For tests only.
public final class FakeCA: HTTPTransport {
    /// Deviations from the plain behaviour.
    public struct Behaviour: Sendable {
        /// This many requests from now on are answered with badNonce.
        public var noncesToRefuse = 0
        /// badNonce answers have no fresh nonce.
        public var withholdsNonces = false
        /// Polls of an order that return "processing" after finalize; the answer to finalize is one more.
        public var processingPolls = 0
        /// Retry-After on orders that are pending or processing.
        public var retryAfter: String?
        /// Polls during which an order stays pending although all identifiers are proven.
        public var pendingPolls = 0
        /// By identifier: validation fails with this detail.
        public var refusals: [String: String] = [:]
        /// A failed challenge leaves its order, and the order and its authorization, pending: what some CAs do.
        public var leavesOrdersPending = false
        public var leavesAuthorizationsPending = false
        /// The answer to a challenge response already shows the result.
        public var answersAtOnce = false
        /// A failed challenge stays "processing" with its error forever (RFC 8555 §8.2).
        public var keepsTrying = false
        /// Members of an order that only the answer to newOrder has.
        public var omittedFromOrders: Set<String> = []
        /// The challenges for every name, in place of http-01 and dns-01.
        public var challengeTypes: [String]?
        /// Identifiers with an earlier valid authorization.
        public var proven: Set<String> = []
        public var requiresExternalAccount = false
        public var termsOfService: String?
        /// Orders are refused until the account agrees to the terms, as this page says (RFC 8555 §7.3.3).
        public var demandsAgreement: String?
        public var alternateChain = false
        /// The alternate chain is for another certificate with the same key and names.
        public var alternateIsOther = false
        /// The directory's `renewalInfo`, and the windows that it shows, by certID (RFC 9773).
        public var renewalWindows: [String: String]?
        /// Retry-After on renewal information.
        public var renewalRetryAfter: String?
        /// newOrder refuses a `replaces` with this error.
        public var replacesRefusal: String?
        /// The directory's profiles; `nil` leaves the member out.
        public var profiles: [String]?
        /// The profile of an order that names none.
        public var defaultProfile: String?
        /// A deactivated account is returned like any other, with its status; otherwise it is refused.
        public var showsClosedAccounts = false
        /// May change every answer before it is sent.
        public var tamper: (@Sendable (_ request: HTTPRequest, _ response: HTTPResponse) -> HTTPResponse)?
        /// Replaces an answer.
        public var intercept: (@Sendable (_ request: HTTPRequest, _ count: Int) -> HTTPResponse?)?
        /// finalize answers orderNotReady this many times.
        public var notReady = 0
        /// Names put into certificates instead of the ordered ones.
        public var certifiedNames: [String]?
        /// How long certificates last.
        public var certificateDays = 90
        /// Offers dns-persist-01 as in this draft (draft-ietf-acme-dns-persist), and finds the records.
        public var persistDraft: Int?
        /// Its names for itself in these records.
        public var persistIssuers = ["ca.test"]
        /// The certificate is for another key.
        public var certifiesAnotherKey = false

        public init() {}
    }

    struct StoredOrder {
        var identifiers: [Identifier]
        var authorizations: [Int]
        var csr: [UInt8]?
        var pollsLeft = 0
        var pendingLeft = 0
        var chain: [UInt8]?
        var replaces: String?
        var profile: String?
    }

    struct StoredAuthorization {
        var identifier: Identifier
        var token: String
        var status = "pending"
        var detail: String?
        var attempted = false
    }

    struct State {
        var behaviour = Behaviour()
        var nonces: Set<String> = []
        var nonceCount = 0
        var accounts: [String: PublicKey] = [:]
        /// By the account's URL.
        var contacts: [String: [String]] = [:]
        var closed: Set<String> = []
        /// How often all accounts were lost.
        var losses = 0
        var orders: [StoredOrder] = []
        var authorizations: [StoredAuthorization] = []
        var revoked: [[UInt8]] = []
        var log: [String] = []
        var finalizations = 0
    }

    public static let base = "https://ca.test"
    public let authority = FakeAuthority()
    public let time: any Timekeeping
    /// Finds an identifier's challenge response where a CA would look for it: `(identifier, type, token)` to key
    /// authorization.
    public let look: @Sendable (Identifier, String, String) -> String?
    let state = Mutex(State())
    /// Key of the last verified request; account tests send one at a time.
    let lastKey = Mutex<PublicKey?>(nil)
    /// By order: the chain to the second root.
    let alternates = Mutex<[Int: [UInt8]]>([:])

    public init(
        time: any Timekeeping = VirtualTime(), behaviour: Behaviour = Behaviour(),
        look: @escaping @Sendable (Identifier, String, String) -> String? = { _, _, _ in nil }
    ) {
        self.time = time
        self.look = look
        state.withLock { $0.behaviour = behaviour }
    }

    public var directory: ACMEURL { get throws { try ACMEURL(Self.base + "/dir") } }

    /// Method and path of every request.
    public var log: [String] { state.withLock { $0.log } }
    public var orderCount: Int { state.withLock { $0.orders.count } }
    /// The `replaces` of every accepted order.
    public var replacements: [String?] { state.withLock { $0.orders.map(\.replaces) } }
    public var finalizationCount: Int { state.withLock { $0.finalizations } }
    public var revocations: [[UInt8]] { state.withLock { $0.revoked } }
    public func contacts(of account: ACMEURL) -> [String] { state.withLock { $0.contacts[account.text] ?? [] } }
    /// Closes an account, as the CA or the account's owner might.
    public func close(_ account: ACMEURL) { state.withLock { _ = $0.closed.insert(account.text) } }
    /// Forgets all accounts, like a CA whose database is gone.
    public func loseAccounts() {
        state.withLock { state in
            state.accounts = [:]
            state.losses += 1
        }
    }
    /// The statuses of all authorizations, in the order in which they were made.
    public var authorizationStatuses: [String] { state.withLock { $0.authorizations.map(\.status) } }
    public func clearLog() { state.withLock { $0.log = [] } }
    public func change(_ change: (inout Behaviour) -> Void) { state.withLock { change(&$0.behaviour) } }

    /// Registers an account without a request.
    public func addAccount(_ key: PublicKey) throws -> ACMEURL {
        let url = Self.base + "/acct/\(key.thumbprint)"
        state.withLock { $0.accounts[url] = key }
        return try ACMEURL(url)
    }

    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        try Task.checkCancellation()
        let (behaviour, count) = state.withLock { state in
            state.log.append("\(request.method.rawValue) \(request.url.path)")
            return (state.behaviour, state.log.count)
        }
        var response: HTTPResponse
        if let replacement = behaviour.intercept?(request, count) {
            response = replacement
        } else {
            response = try answer(request)
        }
        if let tamper = behaviour.tamper { response = tamper(request, response) }
        // What a transport does itself.
        guard response.body.count <= request.responseLimit else {
            throw TransportError(.tooLarge, origin: request.url.origin, detail: "the limit is \(request.responseLimit) bytes")
        }
        return response
    }
}

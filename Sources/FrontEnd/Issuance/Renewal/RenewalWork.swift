import ACME
import CertificateStore

/// A certificate, as far as its renewal is concerned.
public struct RenewalCandidate: Sendable {
    /// Why it is renewed before its time.
    public enum Reason: String, Sendable {
        /// Its key is retired or compromised.
        case keyLost = "key-lost"
        /// An order was interrupted, or a certificate was installed but not yet deployed.
        case interrupted
        /// The user asks for it.
        case forced
    }

    public var name: CertificateName
    /// Its own CA, then others that may issue it while that one does not.
    public var directories: [ACMEURL]
    /// First and last second of validity, Unix time; both 0 if there is no certificate yet.
    public var notBefore: Int64
    public var notAfter: Int64
    /// The serial number; `nil` if there is no certificate yet.
    public var serial: String?
    /// `nil` if only its age decides.
    public var reason: Reason?

    public init(
        name: CertificateName, directories: [ACMEURL], notBefore: Int64 = 0, notAfter: Int64 = 0, serial: String? = nil,
        reason: Reason? = nil
    ) {
        self.name = name
        self.directories = directories
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.serial = serial
        self.reason = reason
    }
}

/// A CA's answer to the question when a certificate should be renewed (RFC 9773 §4).
public enum RenewalLook: Sendable {
    /// - Parameter retryAfter: seconds.
    case window(RenewalInformation, retryAfter: Int64?)
    /// The CA does not answer such questions, or not for this certificate.
    case none
    /// It could not be asked.
    case failed
}

/// A failed renewal.
public struct RenewalFailure: Sendable {
    /// Whether another CA might do better: this one is down, has a limit or refuses. Not if it could not validate a name.
    public var isOfCA: Bool
    /// Seconds that the CA asked to wait.
    public var retryAfter: Int64?
    /// For a person.
    public var reason: String

    public init(isOfCA: Bool, retryAfter: Int64? = nil, reason: String) {
        self.isOfCA = isOfCA
        self.retryAfter = retryAfter
        self.reason = reason
    }
}

/// How a renewal ended.
public enum RenewalAttempt: Sendable {
    case renewed
    /// Another run was first, or is working on it, or the agent cannot be reached. Nothing is counted.
    case notTried
    case failed(RenewalFailure)
}

/// What the scheduler decides about; the store and the CA in earnest, a simulation in tests.
public protocol RenewalWork: Sendable {
    /// All certificates. One that cannot be read is left out, and reported elsewhere.
    func candidates() async throws -> [RenewalCandidate]
    /// The records in the names' order; an empty one where there is none, or it cannot be read.
    func records(of names: [CertificateName]) async -> [RenewalRecord]
    /// Keeps a record. A failure is reported, and changes nothing.
    func keep(_ record: RenewalRecord) async
    /// Asks the certificate's own CA for its window.
    func look(at candidate: RenewalCandidate) async -> RenewalLook
    /// The orders that a CA still accepts, and when it accepts more; `nil` if no limit is known.
    func room(at directory: ACMEURL, now: Int64) async -> OrderRoom?
    func renew(_ candidate: RenewalCandidate, at directory: ACMEURL) async throws -> RenewalAttempt
}

/// A CA's limit of orders, and those that count towards it.
public struct OrderRoom: Sendable, Hashable {
    private let limit: Int
    private let seconds: Int64
    /// Within the span, oldest first.
    private var recent: [Int64]

    /// - Parameters:
    ///   - limit: orders in `seconds`.
    ///   - times: when each was placed, oldest first.
    public init(limit: Int, in seconds: Int64, times: [Int64], now: Int64) {
        self.limit = limit
        self.seconds = seconds
        // A time in the future is of a clock that was wrong.
        recent = times.filter { $0 > now &- seconds && $0 <= now }
    }

    /// How many orders may be placed now.
    public var orders: Int { max(0, limit - recent.count) }

    /// When there is room again, Unix seconds; `nil` if there is, or never is.
    public var next: Int64? {
        // The oldest one that has to leave the span.
        let leaving = recent.count - limit
        return leaving >= 0 && leaving < recent.count ? recent[leaving] &+ seconds : nil
    }

    /// One of them is placed.
    public mutating func take(_ now: Int64) { recent.append(now) }
}

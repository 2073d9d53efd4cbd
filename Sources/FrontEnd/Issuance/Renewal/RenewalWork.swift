import ACME
import CertificateStore

/// A certificate, as far as its renewal is concerned.
public struct RenewalCandidate: Sendable {
    /// Why it is renewed before its time.
    public enum Reason: Sendable, Hashable {
        /// Its key is retired or compromised.
        case keyLost
        /// An order was interrupted.
        case interrupted
        /// It is installed, but its deploy hook has not succeeded: only the hook is run again.
        case undeployed
        /// The user asks for it.
        case forced
        /// Its CA's revocation list has it.
        case revokedByCA
    }

    public var name: CertificateName
    /// Its own CA, then others that may issue it while that one does not.
    public var directories: [ACMEURL]
    /// First and last second of validity, Unix time; both 0 if there is no certificate yet.
    public var notBefore: Int64
    public var notAfter: Int64
    /// The serial number; `nil` if there is no certificate yet.
    public var serial: String?
    /// For the CA's limits; empty if they are not known.
    public var identifiers: [Identifier]
    /// `nil` if only its age decides.
    public var reason: Reason?
    /// The CA that has an open order for it, or that has issued the certificate which is not deployed: nothing new is ordered
    /// there.
    public var openAt: ACMEURL?

    public init(
        name: CertificateName, directories: [ACMEURL], notBefore: Int64 = 0, notAfter: Int64 = 0, serial: String? = nil,
        identifiers: [Identifier] = [], reason: Reason? = nil, openAt: ACMEURL? = nil
    ) {
        self.name = name
        self.directories = directories
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.serial = serial
        self.identifiers = identifiers
        self.reason = reason
        self.openAt = openAt
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
    /// It did not answer: in this round nobody waits for it again.
    case unreachable
}

/// A failed renewal.
public struct RenewalFailure: Sendable {
    /// Whether another CA might do better: this one is down, has a limit or refuses. Not if it could not validate a name.
    public var isOfCA: Bool
    /// Whether the certificate is renewed and installed, and only its deploy hook failed.
    public var isDeployment: Bool
    /// Seconds that the CA asked to wait.
    public var retryAfter: Int64?
    /// For a person.
    public var reason: String
    /// The error's stable code, for what counts failures by their cause.
    public var code: String?

    public init(isOfCA: Bool, isDeployment: Bool = false, retryAfter: Int64? = nil, reason: String, code: String? = nil) {
        self.isOfCA = isOfCA
        self.isDeployment = isDeployment
        self.retryAfter = retryAfter
        self.reason = reason
        self.code = code
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
    /// - Parameter limit: the answer is not waited for any longer.
    func look(at candidate: RenewalCandidate, within limit: Duration) async -> RenewalLook
    /// Looks at the certificates' revocation lists.
    /// - Parameter seen: for each, the last list that counted.
    /// - Returns: in the candidates' order.
    func revocations(of candidates: [RenewalCandidate], seen: [RenewalRecord.SeenList?]) async throws -> [RevocationLook]
    /// What a CA still accepts, and when it accepts more; `nil` if no limit is known.
    func room(at directory: ACMEURL, now: Int64) async -> CARoom?
    func renew(_ candidate: RenewalCandidate, at directory: ACMEURL) async throws -> RenewalAttempt
}

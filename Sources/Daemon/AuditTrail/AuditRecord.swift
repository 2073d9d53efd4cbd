import ACME
import Glibc

/// One statement of the audit trail: who had which key used for what, and how it ended.
///
/// A process id is never recorded as an identity: it can be reused before anybody looks (Docs/threat-model.md).
public struct AuditRecord: Hashable, Sendable {
    /// What a record states. The raw values appear in the file.
    public enum Kind: String, CaseIterable, Sendable {
        /// The first record of a trail; names the trail.
        case genesis
        /// Something is about to be signed. Written before the signature is made.
        case intent
        /// How an intent ended; carries the same correlation.
        case outcome
        /// A request that policy refused.
        case refusal
        /// Something about the agent or the trail itself: started, token lost, a torn line moved aside.
        case event
    }

    /// Position in the trail, from 0; a gap means missing records. Set by the log; a value set before appending is
    /// ignored.
    public var sequence: UInt64 = 0
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var time: Int64
    public var kind: Kind
    /// Ties intent and outcome of one request together, and both to the daemon's log and to the error that a caller gets:
    /// the sequence of the record of the daemon's start, the connection and the call, for example `4711-12-3`. Versions
    /// before this one wrote connection and call only.
    public var correlation: String?
    /// The peer's effective user and group when it connected (`SO_PEERCRED`).
    public var uid: UInt32?
    public var gid: UInt32?
    /// The daemon's number of the connection, from 1 since the daemon's start.
    public var connection: UInt64?
    /// The grant that allowed the request.
    public var grant: String?
    /// The key's name in the agent.
    public var key: KeyName?
    /// SHA-256 of the key's SubjectPublicKeyInfo, lower-case hex.
    public var fingerprint: String?
    /// The operation's name as in a grant, for example `new-order`.
    public var operation: String?
    /// The CA's origin, for example `https://acme.example`.
    public var ca: String?
    /// The URL in the protected header that was signed.
    public var url: String?
    /// DNS names and IP addresses in their canonical form.
    public var identifiers: [String] = []
    /// The digest of what is signed, as `sha256:`, `sha384:` or `sha512:` and lower-case hex.
    public var digest: String?
    /// How it ended, in one word: `signed`, `done`, `failed`, `refused`, `on`.
    public var result: String?
    /// The stable error code if it did not end well.
    public var error: String?
    /// A sentence for a person.
    public var detail: String?
    /// In a record with which the trail continues after a fault: the first record before it that may be missing. The
    /// chain is whole up to there.
    public var missingFrom: UInt64?
    /// The trail's random id; in the genesis record only.
    public var trail: String?

    /// A record of the given kind; the rest is set by name.
    public init(_ kind: Kind, time: Int64 = AuditRecord.now()) {
        self.kind = kind
        self.time = time
    }

    /// The wall clock in the unit of `time`.
    public static func now() -> Int64 {
        var moment = timespec()
        clock_gettime(CLOCK_REALTIME, &moment)
        return Int64(moment.tv_sec) &* 1_000 &+ Int64(moment.tv_nsec) / 1_000_000
    }
}

extension AuditRecord {
    /// The operation of the record by which an administrator accepts a trail that differs from what was remembered.
    static let acceptance = "accept-trail"
}

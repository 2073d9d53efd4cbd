import Logging

/// What a line of the daemon's log is about. The names are stable, and Docs/log.md lists them with their meaning;
/// `Docs/check` compares the two.
///
/// A decision has one line: what policy refuses, what became of a key, a reload. A signature that was made has none at
/// `info`, because the audit trail has it.
public enum DaemonEvent: String, CaseIterable, Sendable {
    // Start and end.
    case daemonReady = "daemon-ready"
    case daemonStopping = "daemon-stopping"
    case startFailed = "start-failed"
    case connectionsLowered = "connections-lowered"

    // Connections.
    case connectionRefused = "connection-refused"
    case connectionClosed = "connection-closed"
    case acceptPaused = "accept-paused"

    // Requests.
    case requestRefused = "request-refused"
    case requestInvalid = "request-invalid"
    case refusalsLimited = "refusals-limited"
    case signatureMade = "signature-made"
    case signatureFailed = "signature-failed"
    case signatureWrong = "signature-wrong"
    case signatureWithheld = "signature-withheld"

    // Keys.
    case keyCreated = "key-created"
    case keyAdopted = "key-adopted"
    case keyRetired = "key-retired"
    case keyDeleted = "key-deleted"
    case keyOperationFailed = "key-operation-failed"
    case keyOff = "key-off"
    case keyFileUnknown = "key-file-unknown"
    case keyEntryNotRemoved = "key-entry-not-removed"
    case keyUnsettled = "key-unsettled"
    case keyEntryDropped = "key-entry-dropped"
    case keyRecovered = "key-recovered"

    // Tokens and their helpers.
    case tokenReady = "token-ready"
    case tokenUnavailable = "token-unavailable"
    case tokenLoginAtRisk = "token-login-at-risk"
    case tokenReopened = "token-reopened"
    case tokenRemoved = "token-removed"
    case helperStarted = "helper-started"
    case helperEnded = "helper-ended"

    // The configuration.
    case configurationReloaded = "configuration-reloaded"
    case configurationRefused = "configuration-refused"
    case grantIneffective = "grant-ineffective"
    case entryOff = "entry-off"
    case entryOn = "entry-on"
    case socketAdded = "socket-added"
    case socketRemoved = "socket-removed"
    case socketUnusable = "socket-unusable"
    case socketOff = "socket-off"
    case socketsOn = "sockets-on"
    case ratesUnknown = "rates-unknown"
    case ratesNotWritten = "rates-not-written"
    case ratesWritten = "rates-written"

    // The audit trail.
    case trailNotWritten = "trail-not-written"
    case trailWritten = "trail-written"
    case trailNotSynced = "trail-not-synced"
    case trailContinued = "trail-continued"
    case trailHeadNotStored = "trail-head-not-stored"
    case trailNotRead = "trail-not-read"
    case trailNotClosed = "trail-not-closed"
    case recordNotWritten = "record-not-written"

    // The log itself.
    case logLinesLost = "log-lines-lost"
    case logLinesLeftOut = "log-lines-left-out"
    case journalUnavailable = "journal-unavailable"
    case journalAvailable = "journal-available"

    /// How important it is, always the same for one event.
    public var level: Logger.Level {
        switch self {
        case .requestInvalid, .signatureMade, .signatureWithheld, .helperStarted: .debug
        case .daemonReady, .daemonStopping, .tokenReady: .info
        case .connectionClosed, .requestRefused, .keyCreated, .keyAdopted, .keyRetired, .keyDeleted, .keyRecovered, .tokenReopened,
            .tokenRemoved, .configurationReloaded, .entryOn, .socketAdded, .socketRemoved, .socketsOn, .ratesWritten, .trailWritten,
            .trailContinued, .journalAvailable:
            .notice
        case .connectionsLowered, .connectionRefused, .acceptPaused, .refusalsLimited, .signatureFailed, .keyOperationFailed,
            .tokenLoginAtRisk, .grantIneffective, .trailNotRead, .logLinesLost, .logLinesLeftOut, .journalUnavailable:
            .warning
        case .startFailed, .signatureWrong, .keyOff, .keyFileUnknown, .keyEntryNotRemoved, .keyUnsettled, .keyEntryDropped,
            .tokenUnavailable, .helperEnded, .configurationRefused, .entryOff, .socketUnusable, .socketOff, .ratesUnknown,
            .ratesNotWritten, .trailNotWritten, .trailNotSynced, .trailHeadNotStored, .trailNotClosed, .recordNotWritten:
            .error
        }
    }

    /// What its lines may say beside their text. A field without a value is left out.
    public var fields: [LogField] {
        switch self {
        case .daemonStopping, .grantIneffective, .socketsOn, .trailNotWritten, .trailWritten, .trailNotSynced, .trailContinued,
            .trailHeadNotStored, .journalAvailable:
            []
        case .daemonReady: [.version, .socket, .grants, .token]
        case .startFailed, .configurationRefused: [.error, .hint]
        case .connectionsLowered, .journalUnavailable: [.why]
        case .connectionRefused: [.uid, .reason, .limit]
        case .connectionClosed: [.uid, .connection, .reason]
        case .acceptPaused: [.error, .pause]
        case .requestRefused: [.correlation, .uid, .peer, .operation, .key, .identifiers, .reason, .why]
        case .requestInvalid: [.correlation, .uid, .error]
        case .refusalsLimited: [.uid]
        case .signatureMade, .signatureWrong: [.correlation, .uid, .grant, .operation, .key, .token]
        case .signatureFailed: [.correlation, .uid, .grant, .operation, .key, .token, .reason, .why, .function, .returnValue]
        case .signatureWithheld: [.correlation, .uid, .grant, .operation, .key, .token, .reason, .why]
        case .keyCreated, .keyRetired, .keyDeleted: [.correlation, .uid, .grant, .key, .token]
        case .keyAdopted: [.correlation, .uid, .grant, .key, .token, .why]
        case .keyOperationFailed: [.correlation, .uid, .grant, .operation, .key, .token, .error]
        case .keyOff: [.key, .why]
        case .keyFileUnknown: [.file]
        case .keyEntryNotRemoved, .keyUnsettled: [.key, .error]
        case .keyEntryDropped: [.key, .other]
        case .keyRecovered: [.key]
        case .tokenReady: [.token, .label]
        case .tokenUnavailable: [.token, .reason, .why, .hint, .function, .returnValue]
        case .tokenLoginAtRisk: [.token, .why, .hint]
        case .tokenReopened, .tokenRemoved: [.token]
        case .helperStarted: [.token, .process, .links]
        case .helperEnded: [.token, .why, .exit, .process, .inFlight, .wasReady]
        case .configurationReloaded: [.sha256, .off]
        case .entryOff: [.entry, .line, .why, .hint]
        case .entryOn: [.entry]
        case .socketAdded, .socketRemoved: [.socket]
        case .socketUnusable: [.socket, .error]
        case .socketOff: [.entry, .error]
        case .ratesUnknown: [.file, .error]
        case .ratesNotWritten: [.file, .error, .hint]
        case .ratesWritten: [.file]
        case .trailNotRead: [.correlation, .uid, .error]
        case .trailNotClosed: [.error]
        case .recordNotWritten: [.correlation, .what, .error]
        case .logLinesLost, .logLinesLeftOut: [.count]
        }
    }
}

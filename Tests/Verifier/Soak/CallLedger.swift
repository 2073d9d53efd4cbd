/// A call of a soak: what was sent, what came back, and what the trail says of it.
final class SoakCall {
    let call: Call
    let peer: Peer
    /// By which the trail must name it: the connection's, and the number of the call on it.
    let correlation: String
    let sent: Double
    /// Those that may be in force when it is judged.
    var policies: [Policy]
    /// Of the keys that it names.
    let states: [String: [KeyRecord?]]

    var received: Double?
    var outcome = Reply.Outcome.none
    /// What was signed, as the trail names it.
    var digests: [String] = []

    fileprivate var intents: [String] = []
    fileprivate var outcomes: [String] = []
    fileprivate var hasRefusal = false

    init(call: Call, peer: Peer, correlation: String, sent: Double, policies: [Policy], states: [String: [KeyRecord?]]) {
        self.call = call
        self.peer = peer
        self.correlation = correlation
        self.sent = sent
        self.policies = policies
        self.states = states
    }

    /// Connection and start.
    static func connection(_ correlation: String) -> Substring {
        correlation[..<(correlation.lastIndex(of: "-") ?? correlation.startIndex)]
    }

    /// `sha256:` and the digest of each content that a reply's signatures are for.
    static func digests(_ call: Call, _ reply: JSON) -> [String] {
        var contents: [[UInt8]] = []
        if let request = reply["request"], let protected = request["protected"]?.string, let payload = request["payload"]?.string {
            contents.append(Array("\(protected).\(payload)".utf8))
        }
        // RFC 2986 section 4.2: the key signs the first of the three parts.
        if let info = reply["csr"]?.string.flatMap({ Base64URL.decode($0) }).flatMap({ DER.one($0, DER.sequence)?.parts?.first }) {
            contents.append(info.whole)
        }
        if reply["signature"] != nil, let content = call.parameters["content"]?.string.flatMap({ Base64URL.decode($0) }) {
            contents.append(content)
        }
        return contents.map { "sha256:" + TrailFollower.hash($0) }
    }
}

/// Compares what the trail says with what the clients sent and got.
struct CallLedger {
    private var calls: [String: SoakCall] = [:]
    /// Those of the clients; other connections are not compared.
    private var connections: Set<Substring> = []
    private(set) var findings: [Finding] = []
    /// Calls whose records are what the client got.
    private(set) var matched = 0

    mutating func open(_ connection: Substring) { connections.insert(connection) }

    mutating func send(_ call: SoakCall) { calls[call.correlation] = call }

    private mutating func find(_ text: String) { if findings.count < 20 { findings.append(Finding(text)) } }

    /// A record of the trail.
    mutating func read(_ record: JSON) {
        guard let correlation = record["correlation"]?.string, connections.contains(SoakCall.connection(correlation)) else { return }
        guard let call = calls[correlation] else {
            return find("the trail has a record of a call that nobody made, or once too often: \(record.text())")
        }
        guard record["uid"]?.int == call.peer.user, record["operation"]?.string == Method.named(call.call.method)?.operation.rawValue else {
            return find("the trail has another caller or operation than there was: \(record.text())")
        }
        switch record["kind"]?.string {
        case "intent": call.intents.append(record["digest"]?.string ?? "")
        case "outcome": call.outcomes.append(record["result"]?.string ?? "")
        case "refusal":
            if call.hasRefusal { find("the trail has a refusal twice: \(record.text())") }
            call.hasRefusal = true
        default: find("the trail has a record of another kind for a call: \(record.text())")
        }
    }

    /// Compares the calls that were answered; all records that were in the trail then have been read.
    /// - Parameters:
    ///   - answeredBefore: Before the reading.
    ///   - isLast: Whether nothing comes any more.
    mutating func settle(answeredBefore: Double, isLast: Bool, outages: Outages) {
        for (correlation, call) in calls {
            guard let received = call.received, received < answeredBefore else {
                if isLast { find("a call was not answered: \(call.call.method) \(correlation)") }
                continue
            }
            if isSettled(call, received, answeredBefore, isLast: isLast, outages) { calls[correlation] = nil }
        }
    }

    private mutating func isSettled(
        _ call: SoakCall, _ received: Double, _ now: Double, isLast: Bool, _ outages: Outages
    ) -> Bool {
        let wasDiskFull = outages.overlaps(.disk, from: call.sent, to: received)
        switch call.outcome {
        case .success:
            let isKept = call.call.method == "CreateKey" || call.call.method == "DeleteKey"
            let wanted = isKept ? [""] : call.digests, ending = isKept ? "done" : "signed"
            // The outcome of what was done to a key is lost if it cannot be written, which the log says.
            let isComplete = call.outcomes == wanted.map { _ in ending } || (isKept && wasDiskFull && call.outcomes.isEmpty)
            guard call.intents.sorted() == wanted.sorted(), isComplete else {
                find(
                    "the trail has not what a client got: \(call.correlation) \(call.call.method), intents \(call.intents) for \(wanted), outcomes \(call.outcomes)"
                )
                return true
            }
            matched += 1
            return true
        case .refused, .notFound, .exists, .invalid:
            guard call.intents.isEmpty, call.outcomes.isEmpty else {
                find("what was refused is in the trail as signed: \(call.correlation) \(call.call.method)")
                return true
            }
            // Refusals are written later, and beyond a number only counted.
            guard call.hasRefusal || isLast || received + CallLedger.patience < now else { return false }
            matched += 1
            return true
        case .failed, .other:
            // An intent without a signature is what the trail is for; a signature that nobody got is explained by a trail
            // that could not be written alone.
            guard !call.outcomes.contains("signed") || call.call.method == "SignFinalize" || wasDiskFull else {
                find("the trail has a signature, and the client got an error: \(call.correlation) \(call.call.method)")
                return true
            }
            if isLast { matched += 1 }
            return isLast
        case .closed, .none: return isLast
        }
    }

    /// Seconds after which a refusal's record does not come any more.
    private static let patience = 120.0
}

import ACME
import Issuance

/// The state of a running issuance, and the lines to print for each event. Pure: uses no terminal and no clock.
struct ProgressModel: Sendable {
    /// The state of one identifier of the order.
    struct Entry: Sendable, Equatable {
        var identifier: String
        var state: String
        var isDone = false
    }

    /// A line that is printed for an event.
    struct Line: Sendable, Equatable {
        enum Kind: Sendable {
            case lasting
            /// A step of one identifier, which its redrawn row shows as well.
            case step
            /// Printed even with --quiet.
            case warning
        }

        var text: String
        var kind = Kind.lasting
    }

    private(set) var entries: [Entry] = []
    /// What the program waits for now.
    private(set) var waitsFor: String?
    /// Signatures by key and operation, for the summary.
    private(set) var signatures: [KeyName: [Operation: Int]] = [:]
    private var lastKey: KeyName?
    /// Requests that are signed again because the CA refused their nonces.
    private var refusedNonces: Set<ACMEURL> = []
    private let isVerbose: Bool

    init(isVerbose: Bool) { self.isVerbose = isVerbose }

    /// Processes an event. - Returns: The lines to print for it.
    mutating func apply(_ event: IssuanceEvent) -> [Line] {
        switch event {
        case .signed(let request, let url, let key): return sign(request, url, key)
        case .asking(let origin):
            waitsFor = "the CA at \(origin)"
            return []
        case .nonceRefused(let url):
            refusedNonces.insert(url)
            return []
        case .authorizationPending(let identifier):
            waitsFor = "the challenges to be set up"
            return move(identifier, "to be validated", line: nil)
        case .authorizationReused(let identifier):
            return move(identifier, "already validated", line: "already validated by the CA", isDone: true)
        case .challengePresented(let identifier, let type, let target):
            return move(identifier, "\(type.rawValue) is set up", line: isVerbose ? "\(type.rawValue) answer in \(safe(target))" : nil)
        case .challengeAnswered(let identifier, let type):
            waitsFor = "the CA to validate the challenges"
            let signer = lastKey.map { " (signed by key \($0))" } ?? ""
            return move(
                identifier, "the CA is validating \(type.rawValue)",
                line: "told the CA that the \(type.rawValue) challenge is ready\(signer)")
        case .validated(let identifier): return move(identifier, "validated", line: "validated", isDone: true)
        case .failed(let identifier, let problem):
            return move(identifier, "failed", line: "failed: \(problem?.summary ?? "the CA gives no reason")", isDone: true)
        case .challengeProblem(let identifier, let problem):
            waitsFor = "the CA to validate the challenges again"
            return move(identifier, "the CA tries again", line: "the CA could not validate the challenge yet: \(problem.summary)")
        case .waiting(let seconds, let reason):
            // "for the certificate", or a separate sentence.
            let isObject = reason.hasPrefix("for ")
            waitsFor = isObject ? safe(String(reason.dropFirst(4))) : "the next attempt"
            guard seconds >= 1 else { return [] }
            let duration = Wording.duration(seconds: Int64(min(seconds, 1e9).rounded(.up)))
            return [Line(text: "waiting \(duration)\(isObject ? " " : ": ")\(safe(reason))")]
        case .cleanUpFailed(let identifier, let target, let reason):
            // The program's output was already printed when `present` failed; here only with --verbose.
            let lines = reason.split(whereSeparator: \.isNewline)
            var why = lines.first.map(String.init) ?? ""
            if lines.count > 1, why.hasSuffix(":") { why.removeLast() }
            let text =
                "the challenge for \(identifier.value) could not be removed (\(safe(target))): \(safe(why))"
                + (isVerbose ? lines.dropFirst().map { "\n\(safe(String($0)))" }.joined() : "")
            return [Line(text: "acme-agent: warning: \(text)", kind: .warning)]
        case .warning(let text): return [Line(text: "acme-agent: warning: \(safe(text))", kind: .warning)]
        default:
            guard let line = ProgressModel.line(event) else { return [] }
            waitsFor = ProgressModel.next(event)
            return [Line(text: line)]
        }
    }

    private mutating func sign(_ request: ACMERequest, _ url: ACMEURL, _ key: KeyName) -> [Line] {
        signatures[key, default: [:]][request.operation, default: 0] += 1
        lastKey = key
        let again = refusedNonces.remove(url) == nil ? "" : " again: the CA refused the nonce"
        switch request {
        case .postAsGet, .respondToChallenge:
            // A challenge response has its identifier's line; POST-as-GET requests are only counted.
            return isVerbose ? [Line(text: "\(request.meaning): \(url.text) (signed by key \(key))\(again)")] : []
        case .newAccount, .updateAccount, .deactivateAccount: waitsFor = "the CA to answer for the account"
        case .keyChange: waitsFor = "the CA to change the key"
        case .newOrder: waitsFor = "the CA to create the order"
        case .finalize: waitsFor = "the CA to issue the certificate"
        case .revokeCertificate: waitsFor = "the CA to revoke the certificate"
        case .deactivateAuthorization: break
        }
        return [Line(text: "key \(key) signed \(safe(request.meaning))\(again)")]
    }

    private mutating func move(_ identifier: Identifier, _ state: String, line: String?, isDone: Bool = false) -> [Line] {
        let name = identifier.value
        if let index = entries.firstIndex(where: { $0.identifier == name }) {
            entries[index].state = state
            entries[index].isDone = isDone
        } else {
            entries.append(Entry(identifier: name, state: state, isDone: isDone))
        }
        return line.map { [Line(text: "  \(name): \($0)", kind: isDone ? .lasting : .step)] } ?? []
    }

    private func safe(_ text: String) -> String { TerminalText.safe(text, limit: 500) }

    private static func line(_ event: IssuanceEvent) -> String? {
        func safe(_ text: String) -> String { TerminalText.safe(text, limit: 500) }
        switch event {
        case .resumed(let name, let order, .interruption):
            return order == nil ? "resuming \(name), which was interrupted" : "resuming the interrupted order for \(name)"
        case .resumed(let name, _, .failure): return "retrying the order for \(name), which failed before"
        case .resumed(let name, _, .installation): return "\(name) is already installed; completing the remaining steps"
        case .keyCreated(let key): return "made key \(key.name) (\(key.algorithm.rawValue)) in the token"
        case .keyUsed(let key): return "using key \(key.name) (\(key.algorithm.rawValue)) in the token"
        case .orderCreated(let url, let identifiers): return "ordered \(Wording.list(identifiers)): \(url)"
        case .installed(let certificate): return "installed \(certificate.name), generation \(certificate.metadata.generation)"
        case .deployed(let name): return "ran the deploy hook for \(name)"
        case .keyOutgoing(let name, let fate, let due):
            return "the old key \(name) is \(fate.participle) after \(RFC3339.string(due)), by `acme-agent renew`"
        case .keyRetired(let name): return "retired key \(name)"
        case .keyDeleted(let name): return "destroyed key \(name)"
        case .accountRegistered(let url, _, let isNew):
            return isNew ? "registered account \(url)" : "the key already has an account: \(url)"
        default: return nil
        }
    }

    /// What the program waits for after an event.
    private static func next(_ event: IssuanceEvent) -> String? {
        switch event {
        case .resumed, .keyUsed, .keyCreated, .orderCreated: "the CA"
        case .installed: "the deploy hook"
        default: nil
        }
    }

    /// The number of requests that each key signed: `key account-x signed 9 requests: 1 new-order, 2
    /// respond-to-challenge, …`
    var summary: [String] {
        signatures.keys.sorted().compactMap { key in
            guard let counts = signatures[key] else { return nil }
            let total = counts.values.reduce(0, +)
            let parts = Operation.allCases.compactMap { operation in counts[operation].map { "\($0) \(operation.rawValue)" } }
            return "key \(key) signed \(Wording.count(total, "request")): \(parts.joined(separator: ", "))"
        }
    }
}

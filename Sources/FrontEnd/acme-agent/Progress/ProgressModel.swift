import ACME
import Issuance

/// What is known of a running issuance, and what is to be said about each event. Pure: knows no terminal and no clock.
struct ProgressModel: Sendable {
    /// One identifier's place in the order.
    struct Entry: Sendable, Equatable {
        var identifier: String
        var state: String
        var isDone = false
    }

    /// A line that is said about an event.
    struct Line: Sendable, Equatable {
        enum Kind: Sendable {
            case lasting
            /// A step of one identifier, which a row that is drawn anew shows as well.
            case step
            /// Said even to who wants no progress.
            case warning
        }

        var text: String
        var kind = Kind.lasting
    }

    private(set) var entries: [Entry] = []
    /// What is being waited for.
    private(set) var waitsFor: String?
    /// Signatures by key and meaning, for the summary.
    private(set) var signatures: [KeyName: [Operation: Int]] = [:]
    private var lastKey: KeyName?
    /// Requests that are signed again, since the CA refused their nonces.
    private var refusedNonces: Set<ACMEURL> = []
    private let isVerbose: Bool

    init(isVerbose: Bool) { self.isVerbose = isVerbose }

    /// Takes an event in. - Returns: What is to be said about it.
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
            waitsFor = "the challenges' answers to be put in place"
            return move(identifier, "to be proven", line: nil)
        case .authorizationReused(let identifier):
            return move(identifier, "proven already", line: "the CA has a proof from before", isDone: true)
        case .challengePresented(let identifier, let type, let target):
            return move(identifier, "\(type.rawValue) is in place", line: isVerbose ? "\(type.rawValue) answer in \(safe(target))" : nil)
        case .challengeAnswered(let identifier, let type):
            waitsFor = "the CA to look at the challenges"
            let signer = lastKey.map { "key \($0) signed that the \(type.rawValue) answer is in place" } ?? "the CA was told to look"
            return move(identifier, "the CA looks (\(type.rawValue))", line: signer)
        case .validated(let identifier): return move(identifier, "validated", line: "validated", isDone: true)
        case .failed(let identifier, let problem):
            return move(identifier, "failed", line: "failed: \(problem?.summary ?? "the CA gives no reason")", isDone: true)
        case .challengeProblem(let identifier, let problem):
            waitsFor = "the CA to look at the challenges again"
            return move(identifier, "the CA looks again", line: "the CA does not see the answer yet: \(problem.summary)")
        case .waiting(let seconds, let reason):
            // "for the certificate", or a sentence of its own.
            let isObject = reason.hasPrefix("for ")
            waitsFor = isObject ? safe(String(reason.dropFirst(4))) : "the next attempt"
            guard seconds >= 1 else { return [] }
            let duration = Wording.duration(seconds: Int64(min(seconds, 1e9).rounded(.up)))
            return [Line(text: "waiting \(duration)\(isObject ? " " : ": ")\(safe(reason))")]
        case .cleanUpFailed(let identifier, let target, let reason):
            // What a program printed was told when it failed first, or is by --verbose.
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
            // An identifier's own line says so for its challenge; questions are counted.
            return isVerbose ? [Line(text: "key \(key) signed \(request.meaning), for \(url.text)\(again)")] : []
        case .newAccount, .updateAccount, .deactivateAccount: waitsFor = "the CA to answer for the account"
        case .keyChange: waitsFor = "the CA to change the key"
        case .newOrder: waitsFor = "the CA to make the order"
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
            return order == nil ? "going on with \(name), which was interrupted" : "going on with the interrupted order for \(name)"
        case .resumed(let name, _, .failure): return "trying the order for \(name) again, which failed before"
        case .resumed(let name, _, .installation): return "\(name) is installed already, and is taken into use now"
        case .keyCreated(let key): return "made key \(key.name) (\(key.algorithm.rawValue)) in the token"
        case .keyUsed(let key): return "using key \(key.name) (\(key.algorithm.rawValue)) in the token"
        case .orderCreated(let url, let identifiers): return "ordered \(Wording.list(identifiers)): \(url)"
        case .installed(let certificate): return "installed \(certificate.name), generation \(certificate.metadata.generation)"
        case .deployed(let name): return "deploy hook done for \(name)"
        case .keyRetired(let name): return "retired key \(name)"
        case .keyDeleted(let name): return "destroyed key \(name)"
        case .accountRegistered(let url, _, let isNew):
            return isNew ? "registered account \(url)" : "the key has an account already: \(url)"
        default: return nil
        }
    }

    /// What comes behind an event.
    private static func next(_ event: IssuanceEvent) -> String? {
        switch event {
        case .resumed, .keyUsed, .keyCreated, .orderCreated: "the CA"
        case .installed: "the deploy hook"
        default: nil
        }
    }

    /// What each key signed in all: `key account-x signed 9 requests: 1 new-order, 2 respond-to-challenge, …`
    var summary: [String] {
        signatures.keys.sorted().compactMap { key in
            guard let counts = signatures[key] else { return nil }
            let total = counts.values.reduce(0, +)
            let parts = Operation.allCases.compactMap { operation in counts[operation].map { "\($0) \(operation.rawValue)" } }
            return "key \(key) signed \(Wording.count(total, "request")): \(parts.joined(separator: ", "))"
        }
    }
}

import ACME
import CertificateStore
import Glibc
import StrictJSON

/// Why a command failed, in the form that the user sees. Every error of the libraries is converted to it.
struct Failure: Error, Equatable {
    /// Stable, for scripts.
    var code: String
    var exitStatus: ExitStatus
    /// A sentence in lower case without a full stop; safe for a terminal.
    var message: String
    /// What to do about it.
    var hint: String?
    /// The CA's explanation, if there is one.
    var problem: Problem?
    /// When the same command may succeed, if that is known: Unix seconds.
    var retryAt: Int64?
    /// The call at the agent that failed, as the agent's log and audit trail name it.
    var correlation: String?
    /// Further lines, such as what a hook printed; each safe for a terminal.
    var details: [String] = []
    /// What the CA says about individual identifiers.
    var identifiers: [IdentifierFailure] = []

    init(_ code: String, _ exitStatus: ExitStatus, _ message: String, hint: String? = nil, problem: Problem? = nil) {
        self.code = code
        self.exitStatus = exitStatus
        self.message = message
        self.hint = hint
        self.problem = problem
    }

    /// From several lines: the first is the message, the others are details.
    init(_ code: String, _ exitStatus: ExitStatus, lines text: String, hint: String? = nil) {
        let lines = text.split(whereSeparator: \.isNewline).map { TerminalText.safe($0, limit: 500) }
        self.init(code, exitStatus, lines.first.map(Failure.withoutColon) ?? "failed without a reason", hint: hint)
        details = lines.dropFirst().map { String($0.drop { $0 == " " }) }
    }

    private static func withoutColon(_ text: String) -> String { text.hasSuffix(":") ? String(text.dropLast()) : text }

    /// The command line is wrong.
    static func usage(_ message: String, hint: String? = nil) -> Failure { Failure("usage", .usage, message, hint: hint) }
    /// A setting is wrong, whatever its source.
    static func configuration(_ message: String, hint: String? = nil) -> Failure {
        Failure("configuration", .configuration, message, hint: hint)
    }

    /// The result could not be printed.
    static func output(_ number: Int32) -> Failure {
        Failure("output", .failed, "the result cannot be written to standard output: \(String(cString: strerror(number)))")
    }

    /// With the options of the command line in the commands of the hint.
    func with(_ options: GivenOptions) -> Failure {
        var failure = self
        failure.message = options.named(message)
        failure.hint = hint.map { options.named(options.added(to: $0)) }
        return failure
    }

    /// The lines for a person.
    var lines: [String] {
        var lines = ["acme-agent: error: \(message)"]
        lines += details.map { "  \($0)" }
        for identifier in identifiers {
            lines.append("  \(identifier.line)")
            lines += identifier.problem?.subproblems.map { "    \($0.description)" } ?? []
        }
        for problem in problem?.subproblems ?? [] where !identifiers.contains(where: { $0.problem == problem }) {
            lines.append("  \(problem.description)")
        }
        if let omitted = problem?.omittedSubproblems, omitted > 0 { lines.append("  and \(omitted) more") }
        if let hint { lines.append("acme-agent: hint: \(hint)") }
        if let correlation { lines.append("acme-agent: in the agent's log and audit trail: correlation \(correlation)") }
        return lines
    }

    /// Writes the failures of several certificates as a value: an array of objects with `name` and `error`.
    static func write(_ failures: [(name: CertificateName, failure: Failure)], to json: inout JSONWriter) {
        json.beginArray()
        for (name, failure) in failures {
            json.beginObject()
            json.member("name", name.rawValue)
            json.name("error")
            failure.write(to: &json)
            json.endObject()
        }
        json.endArray()
    }

    /// Writes the failure as a value: an object with `code`, `message`, `exitStatus` and the members that have values.
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("code", code)
        json.member("message", message)
        json.member("hint", ifPresent: hint)
        json.member("exitStatus", exitStatus.rawValue)
        json.member("retryAt", ifPresent: retryAt.map { RFC3339.string($0) })
        json.member("correlation", ifPresent: correlation)
        if !details.isEmpty { json.member("details", details) }
        if let problem {
            json.name("problem")
            problem.write(to: &json)
        }
        if !identifiers.isEmpty {
            json.name("identifiers")
            json.beginArray()
            for identifier in identifiers { identifier.write(to: &json) }
            json.endArray()
        }
        json.endObject()
    }
}

extension Failure: CustomStringConvertible {
    var description: String { message }
}

/// The failure of one identifier of an order.
struct IdentifierFailure: Equatable {
    var identifier: String
    /// The failed challenge, if one was started.
    var challenge: String?
    var message: String
    var problem: Problem?

    var line: String { challenge.map { "\(identifier): \($0): \(message)" } ?? "\(identifier): \(message)" }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("identifier", identifier)
        json.member("challenge", ifPresent: challenge)
        json.member("message", message)
        if let problem {
            json.name("problem")
            problem.write(to: &json)
        }
        json.endObject()
    }
}

extension Problem {
    /// The members that were kept of the CA's problem document (RFC 9457, RFC 8555 §6.7.1).
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("type", type)
        json.member("title", ifPresent: title)
        json.member("detail", ifPresent: detail)
        json.member("status", ifPresent: status.map { Int64($0) })
        json.member("instance", ifPresent: instance)
        if let identifier { identifier.writeMember(to: &json) }
        if !subproblems.isEmpty {
            json.name("subproblems")
            json.beginArray()
            for problem in subproblems { problem.write(to: &json) }
            json.endArray()
        }
        json.endObject()
    }
}

extension Identifier {
    /// ACME's object of `type` and `value` (RFC 8555 §7.1.3), as a value.
    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("type", type)
        json.member("value", value)
        json.endObject()
    }

    fileprivate func writeMember(to json: inout JSONWriter) {
        json.name("identifier")
        write(to: &json)
    }
}

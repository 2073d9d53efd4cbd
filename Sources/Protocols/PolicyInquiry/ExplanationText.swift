import ACME
import AgentInterface
import StrictJSON

/// A decision for a person, or for a program: the same from both programs.
public struct ExplanationText: Sendable {
    private let question: DecisionQuestion
    private let explanation: DecisionExplanation
    /// The user who was asked about, as a configuration would name it.
    private let subject: String?

    public init(_ explanation: DecisionExplanation, of question: DecisionQuestion, subject: SubjectArgument? = nil) {
        self.question = question
        self.explanation = explanation
        self.subject = subject?.text
    }

    /// Lines, safe for a terminal.
    public var text: String {
        var lines: [String]
        if explanation.isAllowed {
            lines = ["allowed: \(request)", "by grant \(grant)"]
        } else {
            lines = ["refused: \(request)"]
            lines += [explanation.message.map { "reason: \($0)" + (explanation.reason.map { " (\($0))" } ?? "") }].compactMap(\.self)
            if explanation.lacks.isEmpty {
                lines += [explanation.hint.map { "hint: \($0)" }].compactMap(\.self)
            } else {
                lines.append("closest: grant \(grant), which lacks")
                lines += explanation.lacks.map { "  " + change($0) }
            }
        }
        lines += explanation.problems.map { problem in
            problem.name.isEmpty
                ? "note: \(problem.what): \(problem.message)" : "note: \(problem.what) \"\(problem.name)\": \(problem.message)"
        }
        return lines.map { TerminalText.safe($0) }.joined(separator: "\n")
    }

    /// One JSON object.
    public var json: String {
        var json = JSONWriter()
        json.beginObject()
        writeMembers(to: &json)
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// The members of the object for a program.
    public func writeMembers(to json: inout JSONWriter) {
        json.name("question")
        json.beginObject()
        json.member("operation", question.operation.rawValue)
        json.member("keys", question.keys.map(\.rawValue))
        json.member("identifiers", question.identifiers.map(\.value))
        json.member("url", ifPresent: question.url?.text)
        json.member("externalAccount", ifPresent: question.externalAccount)
        json.member("user", ifPresent: (question.subject?.user).map { Int64($0) })
        json.endObject()
        explanation.writeMembers(to: &json)
    }

    /// `new-order for www.example.org with key account-1 at https://ca.example`
    private var request: String {
        var words = question.operation.rawValue
        if !question.identifiers.isEmpty { words += " for " + question.identifiers.map(\.value).joined(separator: ", ") }
        if !question.keys.isEmpty {
            words += " with \(question.keys.count == 1 ? "key" : "keys") " + question.keys.map(\.rawValue).joined(separator: ", ")
        }
        if let url = question.url { words += " at \(url.origin)" }
        if let subject { words += ", as \(subject)" }
        return words
    }

    /// `"web" (/etc/acme-agent/acme-agentd.toml:42)`
    private var grant: String { "\"\(explanation.grant ?? "")\"" + (place(explanation.line).map { " (\($0))" } ?? "") }

    private func place(_ line: Int?) -> String? { line.flatMap { line in explanation.file.map { "\($0):\(line)" } } }

    /// `/etc/acme-agent/acme-agentd.toml:42: identifiers: add "www.example.org"`
    private func change(_ lack: DecisionExplanation.Lack) -> String {
        let add = lack.setting == "users" ? [subject ?? lack.add.first ?? ""] : lack.add
        let values = add.map { "\"\($0)\"" }.joined(separator: ", ")
        let isMissing = lack.line == nil && explanation.line != nil
        let change =
            add.isEmpty
            ? "\(lack.setting) = true" : isMissing ? "add \(lack.setting) = [\(values)]" : "\(lack.setting): add \(values)"
        return (place(lack.line ?? explanation.line).map { "\($0): " } ?? "") + change
    }
}

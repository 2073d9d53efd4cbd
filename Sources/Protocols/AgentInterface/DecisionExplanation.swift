import StrictJSON

/// What policy decides about a request, and why: the reply of `ExplainDecision`. Nothing was signed or counted.
public struct DecisionExplanation: Hashable, Sendable {
    /// A setting of the grant that keeps it from covering the request: type `Lack` of the interface.
    public struct Lack: Hashable, Sendable {
        /// As in the configuration: `identifiers`.
        public var setting: String
        /// The line of the setting, from 1; `nil` if the grant does not have it, or the caller may not know.
        public var line: Int?
        /// What the setting's list would have to name as well; empty for `wildcards`, which would have to be `true`.
        public var add: [String]
        /// A phrase: `the identifiers "db.example.org"`.
        public var message: String

        public init(setting: String, line: Int?, add: [String], message: String) {
            self.setting = setting
            self.line = line
            self.add = add
            self.message = message
        }
    }

    public var isAllowed: Bool
    /// The name of the grant that covers the request, or that came closest; `nil` if none would with a change.
    public var grant: String?
    /// The configuration file, and the line of the grant in it, from 1; `nil` for a caller who may know only its own
    /// grants.
    public var file: String?
    public var line: Int?
    /// Of a refusal: a stable code, such as `identifier-not-granted` (Docs/policy.md).
    public var reason: String?
    /// What the caller would be told, a sentence and a hint.
    public var message: String?
    public var hint: String?
    /// What the grant that came closest lacks.
    public var lacks: [Lack]
    /// Grants that are off and may be meant.
    public var problems: [ProblemStatus]

    public init(
        isAllowed: Bool, grant: String? = nil, file: String? = nil, line: Int? = nil, reason: String? = nil, message: String? = nil,
        hint: String? = nil, lacks: [Lack] = [], problems: [ProblemStatus] = []
    ) {
        self.isAllowed = isAllowed
        self.grant = grant
        self.file = file
        self.line = line
        self.reason = reason
        self.message = message
        self.hint = hint
        self.lacks = lacks
        self.problems = problems
    }

    /// Writes the members of the reply's parameters.
    public func writeMembers(to json: inout JSONWriter) {
        json.member("allowed", isAllowed)
        json.member("grant", ifPresent: grant)
        json.member("file", ifPresent: file)
        json.member("line", ifPresent: line.map { Int64($0) })
        json.member("reason", ifPresent: reason)
        json.member("message", ifPresent: message)
        json.member("hint", ifPresent: hint)
        json.name("lacks")
        json.beginArray()
        for lack in lacks {
            json.beginObject()
            json.member("setting", lack.setting)
            json.member("line", ifPresent: lack.line.map { Int64($0) })
            json.member("add", lack.add)
            json.member("message", lack.message)
            json.endObject()
        }
        json.endArray()
        json.name("problems")
        json.beginArray()
        for problem in problems { problem.write(to: &json) }
        json.endArray()
    }

    /// - Throws: `AgentReplyError` if the reply does not match the interface.
    public init(reply json: JSONObject) throws(AgentReplyError) {
        do {
            var lacks: [Lack] = [], problems: [ProblemStatus] = []
            for value in try json.array("lacks") {
                let lack = try value.object()
                lacks.append(
                    Lack(
                        setting: try lack.string("setting"), line: try lack.optionalInteger("line").map { Int($0) },
                        add: try lack.strings("add"), message: try lack.string("message")))
            }
            for problem in try json.array("problems") { problems.append(try ProblemStatus(problem.object())) }
            self.init(
                isAllowed: try json.bool("allowed"), grant: try json.optionalString("grant"), file: try json.optionalString("file"),
                line: try json.optionalInteger("line").map { Int($0) }, reason: try json.optionalString("reason"),
                message: try json.optionalString("message"), hint: try json.optionalString("hint"), lacks: lacks, problems: problems)
        } catch {
            throw AgentReplyError("an unreadable explanation: \(error)")
        }
    }
}

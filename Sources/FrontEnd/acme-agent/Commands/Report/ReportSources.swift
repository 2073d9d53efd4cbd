import ACME
import AgentInterface
import AuditTrail
import CertificateStore
import Glibc
import Report
import StrictJSON

/// What a report is made from, as the agent, the store and the trail gave it.
struct ReportSources {
    /// Unix seconds.
    let made: Int64
    private(set) var status: AgentStatus?
    private(set) var keys: [KeyDescription]?
    private(set) var counts: AgentCounts?
    private(set) var grants: GrantListing?
    private(set) var contents: StoreContents?
    private(set) var attention: [String] = []
    private(set) var trail: ReportTrail?
    /// What keeps the report from being whole although it should be: the first one decides the exit status.
    private(set) var failures: [Failure] = []
    /// What policy does not let this user see.
    private(set) var withheld: [(part: Part, failure: Failure)] = []

    /// The parts that may be missing. The raw values are shown.
    enum Part: String, CustomStringConvertible {
        case agent, keys, grants, certificates, metrics, trail

        var description: String {
            switch self {
            case .agent: "the agent"
            case .keys: "keys"
            case .certificates: "certificates"
            case .grants: "grants"
            case .metrics: "metrics"
            case .trail: "the audit trail"
            }
        }
    }

    private var missing: [Part: Failure] = [:]

    /// Asks for everything. What cannot be had is remembered, and the rest goes on.
    init(_ session: Session, auditFile: String?) async throws {
        made = Session.now
        if let status = try await had(.agent, { try await session.agent().status() }) {
            self.status = status
            keys = try await had(.keys) { try await session.agent().keys() }
            grants = try await had(.grants) { try await session.agent().grants() }
            counts = try await had(.metrics) {
                try Self.check(.readMetrics, in: status)
                return try await AgentCounts(text: session.agent().metrics())
            }
        }
        contents = try await had(.certificates) { try await StoreContents(session) }
        trail = try await had(.trail) { [status] in
            if let auditFile { return try await ReportTrail(file: auditFile, session.output) }
            guard let status else { throw Failure("agent-unreachable", .agentUnavailable, "the agent cannot be asked") }
            try Self.check(.readAudit, in: status)
            return try await ReportTrail(of: try await session.agent(), until: status.auditSequence, session.output)
        }
        if let fault = trail?.fault { failures.append(fault) }
        attention = status.map(Status.attention) ?? []
        if let contents {
            attention += contents.attention()
            attention += await PersistAttention.lines(contents, session)
            attention += await RootDeployState.attention(contents, session)
        }
    }

    /// Refuses in the agent's place what no grant of the caller allows: the agent would record each report of such a caller
    /// as a refusal.
    private static func check(_ operation: Operation, in status: AgentStatus) throws {
        let name = operation.rawValue
        guard !status.grants.contains(where: { $0.operations.contains(name) }) else { return }
        throw AgentError.refused(
            reason: "not-permitted", message: "no grant lets you do \"\(name)\"",
            hint: "ask the administrator to add \"\(name)\" to the operations of a grant that names you")
    }

    /// What `body` gives, or `nil` and a failure that the report names.
    private mutating func had<Value: Sendable>(_ part: Part, _ body: @Sendable () async throws -> Value) async throws -> Value? {
        do { return try await body() } catch {
            try Task.checkCancellation()
            let failure = Failure(error)
            missing[part] = failure
            if failure.exitStatus == .refused {
                withheld.append((part, failure))
            } else if part != .trail || missing[.agent] == nil || failure.code != "agent-unreachable" {
                failures.append(failure)
            }
            return nil
        }
    }

    // MARK: Facts

    /// What the page shows.
    func facts(_ session: Session) -> ReportFacts {
        ReportFacts(
            made: made, version: Version.number, host: Self.host,
            user: Self.name(of: status?.user ?? geteuid()).map { "\($0) (\(status?.user ?? geteuid()))" } ?? "\(status?.user ?? geteuid())",
            agent: part(.agent) { status.map { AgentFacts($0, socket: session.settings.socket, counts: part(.metrics) { counts }) } },
            keys: part(.keys) { keys.map { $0.map(KeyFact.init) } },
            certificates: part(.certificates) {
                contents.map {
                    StoreFacts(folder: session.settings.stateDirectory, certificates: $0.reports.map(CertificateFact.init))
                }
            },
            access: part(.grants) { grants.map { AccessMatrix($0, own: status?.grants ?? []) } },
            trail: part(.trail) { trail?.facts }, attention: attention)
    }

    private func part<Value>(_ part: Part, _ value: () -> Value?) -> Known<Value> {
        if let value = value() { return .known(value) }
        guard let failure = missing[part] ?? missing[.agent] else { return .unknown("nothing is known of them") }
        return .unknown(failure.message + (failure.hint.map { " (\($0))" } ?? ""))
    }

    private static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "this machine" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func name(of uid: UInt32) -> String? { LocalUser(id: uid)?.name }

    // MARK: Output

    /// A summary for a person.
    func text(_ facts: ReportFacts) -> String {
        var list = FieldList()
        if let contents {
            list.add("certificates", "\(contents.reports.count)" + (contents.nextExpiry().map { "; \($0)" } ?? ""))
        }
        if let keys {
            list.add("keys", "\(keys.count), of these \(Wording.count(keys.count { $0.state == .retired }, "retired key"))")
        }
        list.add("tokens", status.map { $0.tokens.map { "\($0.name): \($0.state.rawValue)" } } ?? [])
        if let trail {
            let activity = trail.activity
            list.add("signatures", "\(activity.total.signed), failed \(activity.total.failed)" + Self.since(activity))
            list.add("refusals", "\(activity.total.refused &+ activity.uncounted)" + Self.since(activity))
            list.add("trail", activity.head.map { "head \($0.sequence):\($0.hash)" })
        }
        list.add("needs attention", attention, .alarm)
        return list.text(for: .standardOutput)
    }

    private static func since(_ activity: TrailActivity) -> String { activity.begins.map { " since \(Wording.day($0))" } ?? "" }

    func write(_ session: Session, to json: inout JSONWriter) {
        json.name("report")
        json.beginObject()
        json.member("made", RFC3339.string(made))
        json.member("host", Self.host)
        if let status {
            json.name("agent")
            json.beginObject()
            status.writeMembers(to: &json)
            json.endObject()
        }
        if let keys {
            json.name("keys")
            json.beginArray()
            for key in keys { key.write(to: &json) }
            json.endArray()
        }
        if let grants {
            json.name("policy")
            json.beginObject()
            grants.writeMembers(to: &json)
            json.endObject()
        }
        if let contents {
            json.name("certificates")
            json.beginArray()
            for report in contents.reports { report.write(to: &json) }
            json.endArray()
        }
        if let trail {
            if let report = trail.report {
                json.name("audit")
                AuditVerify.write(report, to: &json)
            }
            json.name("activity")
            trail.activity.write(to: &json)
        }
        json.member("attention", attention)
        json.name("missing")
        json.beginArray()
        for (part, failure) in missing.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            json.beginObject()
            json.member("part", part.rawValue)
            json.name("error")
            failure.with(session.output.given).write(to: &json)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}

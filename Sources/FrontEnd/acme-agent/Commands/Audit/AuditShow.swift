import ACME
import ArgumentParser
import AuditTrail

struct AuditShow: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what the audit trail has of one call.",
        discussion: """
            Each error of the agent names its call by a correlation of three numbers, which is also in the agent's \
            log. The first two numbers alone stand for all calls on a connection. This command reads the files \
            directly, so it needs permission to read them. With --json each record is one line, as it is in the file.

            Example: acme-agent audit show --correlation 4711-12-3
            """)

    @Argument(
        help: ArgumentHelp("The trail's current file. (default: \(Settings.defaultAuditFile))", valueName: "file"), completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("The call, as an error or the agent's log names it, or its connection.", valueName: "id"))
    var correlation: String

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        let numbers = correlation.split(separator: "-", omittingEmptySubsequences: false)
        guard (2...3).contains(numbers.count), numbers.allSatisfy({ UInt64($0) != nil && $0.utf8.allSatisfy { $0 != UInt8(ascii: "+") } })
        else { throw ValidationError("--correlation must be two or three numbers with - between them, such as 4711-12-3") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let path = file ?? session.settings.auditFile
        var search = CorrelationSearch(correlation), count = 0
        var reader = AuditReader(path: path, from: search.first)
        reading: while true {
            let entries = try reader.read()
            // The end, or no trail at all.
            if entries.isEmpty { break }
            for entry in entries {
                switch search.look(at: entry.record) {
                case .other: break
                case .matches:
                    count += 1
                    let text = session.output.isJSON ? Output.withoutControls(entry.line) : Array(AuditTail.text(entry.record).utf8)
                    try session.output.write(text + [0x0A])
                case .startOver:
                    reader = AuditReader(path: path)
                    continue reading
                case .end: break reading
                }
            }
        }
        guard count > 0 else {
            // Says so if there is no trail, or none that may be read.
            _ = try AuditReader(path: path, last: 0)
            throw Failure(
                "audit-no-record", .failed, "the audit trail has no record of \(correlation)",
                hint: "calls that sign nothing and change nothing have none, and older files may have been moved away; "
                    + "the agent's log may say more")
        }
        return .success
    }
}

/// Finds the records of one call or one connection. A state machine without files.
struct CorrelationSearch {
    enum Step: Equatable {
        case other
        case matches
        /// The first number is not a start, or nothing follows that start: the correlation is one of an earlier version,
        /// which has none. All of the trail is to be read.
        case startOver
        /// Another start: what follows belongs to that one.
        case end
    }

    private let wanted: String
    /// The record of the daemon's start, with which to begin.
    private(set) var first: UInt64
    private var isStart = false
    private var hasMatched = false
    /// Of two numbers: of a connection, or of a call of an earlier version.
    private let isShort: Bool

    init(_ correlation: String) {
        wanted = correlation
        let numbers = correlation.split(separator: "-")
        first = numbers.first.flatMap { UInt64($0) } ?? 0
        isShort = numbers.count == 2
    }

    mutating func look(at record: AuditRecord) -> Step {
        let begins = record.kind == .event && record.operation == "start"
        if first > 0, !isStart {
            guard begins, record.sequence == first else {
                first = 0
                return .startOver
            }
            isStart = true
        } else if isStart, begins {
            guard isShort, !hasMatched else { return .end }
            first = 0
            isStart = false
            return .startOver
        }
        guard let correlation = record.correlation, correlation == wanted || correlation.hasPrefix(wanted + "-") else { return .other }
        hasMatched = true
        return .matches
    }
}

/// When something was broken, and which errors that explains. An error at any other time is a finding.
struct Outages {
    enum Kind: String, CaseIterable {
        /// The token fails or is away.
        case token
        /// Nothing can be written to the agent's state.
        case disk
        /// The helper was killed, which only a key's making or deletion may notice: it is not begun a second time.
        case helper

        /// Seconds after which nothing may fail any more. The token is in use within 5 seconds after it is back
        /// (Docs/tokens.md, "When a call fails"), as after a helper's end; the trail is tried again after one second
        /// (Docs/operations.md), and a login that could not be recorded for want of room is as long in coming as a token.
        var aftermath: Double { self == .disk ? 2 : 5 }
    }

    private struct Outage {
        var kind: Kind
        var start: Double
        var end: Double?
    }

    private var outages: [Outage] = []

    mutating func begin(_ kind: Kind, at now: Double) { outages.append(Outage(kind: kind, start: now)) }

    mutating func end(_ kind: Kind, at now: Double) {
        for place in outages.indices where outages[place].kind == kind && outages[place].end == nil { outages[place].end = now }
    }

    /// Whether that kind of outage, or what follows from it, overlapped the time.
    func overlaps(_ kind: Kind, from start: Double, to end: Double) -> Bool {
        outages.contains { $0.kind == kind && $0.start <= end && ($0.end ?? .infinity) + kind.aftermath >= start }
    }

    /// Whether an error of the agent may come for a call that was on its way from `start` to `end` (Docs/protocol.md,
    /// "Errors").
    func explain(_ error: String, of method: String, from start: Double, to end: Double) -> Bool {
        let isAboutKey = method == "CreateKey" || method == "DeleteKey"
        switch error {
        case Call.interface + "AuditUnavailable": return overlaps(.disk, from: start, to: end)
        case Call.interface + "TokenUnavailable": return overlaps(.token, from: start, to: end) || (isAboutKey && isBroken(start, end))
        case Call.interface + "SigningFailed":
            // The entry of a key is a file in the state as well.
            return overlaps(.token, from: start, to: end) || (isAboutKey && isBroken(start, end))
        // Eight keys of a user may be in the making.
        case Call.interface + "Overloaded": return isAboutKey
        default: return false
        }
    }

    private func isBroken(_ start: Double, _ end: Double) -> Bool { Kind.allCases.contains { overlaps($0, from: start, to: end) } }
}

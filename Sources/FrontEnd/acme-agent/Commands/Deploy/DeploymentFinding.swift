import StrictJSON

/// What `deploy --check` found out about one condition.
struct DeploymentFinding: Equatable {
    enum State: String {
        case ok
        case failed
        /// It cannot be seen from here, or needs something that failed.
        case unknown
    }

    /// In the order in which a set-up works; the first that failed is to be fixed first.
    enum Condition: String, CaseIterable {
        case provider, socket, grant, key, certificate
        case keyFile = "key-file"
        case served
    }

    var condition: Condition
    var state: State
    /// A sentence in lower case without a full stop.
    var message: String
    var hint: String?

    static func ok(_ condition: Condition, _ message: String) -> DeploymentFinding {
        DeploymentFinding(condition: condition, state: .ok, message: message)
    }

    static func failed(_ condition: Condition, _ message: String, hint: String) -> DeploymentFinding {
        DeploymentFinding(condition: condition, state: .failed, message: message, hint: hint)
    }

    static func unknown(_ condition: Condition, _ message: String, hint: String? = nil) -> DeploymentFinding {
        DeploymentFinding(condition: condition, state: .unknown, message: message, hint: hint)
    }

    /// The one to fix first: the first that failed, or else the first that is not known.
    static func first(of findings: [DeploymentFinding]) -> DeploymentFinding? {
        findings.first { $0.state == .failed } ?? findings.first { $0.state == .unknown }
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("check", condition.rawValue)
        json.member("state", state.rawValue)
        json.member("message", message)
        json.member("hint", ifPresent: hint)
        json.endObject()
    }
}

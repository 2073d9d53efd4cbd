import StrictJSON

/// What `doctor` found out about one thing.
struct Diagnosis: Sendable, Equatable {
    enum State: String, Sendable {
        case ok
        case failed
        /// It cannot be seen from here.
        case unknown
    }

    /// In the order in which they are shown.
    enum Check: String, Sendable, CaseIterable {
        case agent, token, grants
        case configuration, store, clock
        case ca, account
        case certificates, challenges, ports, hooks
        case dns, caa, persist, served
    }

    var check: Check
    /// The certificate or name that it is about; `nil` for the machine.
    var subject: String?
    var state: State
    /// A sentence in lower case without a full stop.
    var message: String
    /// What fixes it.
    var hint: String?

    /// About the machine.
    static func ok(_ check: Check, _ message: String) -> Diagnosis { Diagnosis(check: check, state: .ok, message: message) }

    /// About a certificate, a name, a token or a CA.
    static func ok(_ check: Check, _ subject: String, _ message: String) -> Diagnosis {
        Diagnosis(check: check, subject: subject, state: .ok, message: message)
    }

    static func failed(_ check: Check, _ message: String, hint: String?) -> Diagnosis {
        Diagnosis(check: check, state: .failed, message: message, hint: hint)
    }

    static func failed(_ check: Check, _ subject: String, _ message: String, hint: String?) -> Diagnosis {
        Diagnosis(check: check, subject: subject, state: .failed, message: message, hint: hint)
    }

    static func unknown(_ check: Check, _ message: String, hint: String? = nil) -> Diagnosis {
        Diagnosis(check: check, state: .unknown, message: message, hint: hint)
    }

    static func unknown(_ check: Check, _ subject: String, _ message: String, hint: String? = nil) -> Diagnosis {
        Diagnosis(check: check, subject: subject, state: .unknown, message: message, hint: hint)
    }

    func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("check", check.rawValue)
        json.member("subject", ifPresent: subject)
        json.member("state", state.rawValue)
        json.member("message", message)
        json.member("hint", ifPresent: hint)
        json.endObject()
    }
}

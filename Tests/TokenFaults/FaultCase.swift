import PKCS11

/// A fault of one function, in the terms of softhsm/fault-module.c.
struct FaultCase: Hashable, CustomStringConvertible {
    enum Fault: Hashable {
        /// The next call does nothing and returns the value.
        case once(ReturnValue)
        /// All calls do, until the fault is ended.
        case untilHealed(ReturnValue)
        /// The next call does its work and returns the value.
        case afterwards(ReturnValue)
        /// The next call does not return.
        case hang
        /// The next call ends the process.
        case crash
        /// The next call finds every session gone.
        case sessionsLost
    }

    let function: CryptokiFunction
    let fault: Fault

    var returnValue: ReturnValue? {
        switch fault {
        case .once(let value), .untilHealed(let value), .afterwards(let value): value
        case .hang, .crash, .sessionsLost: nil
        }
    }

    /// The fault module's file.
    var file: String {
        switch fault {
        case .once, .untilHealed: function.name
        case .afterwards: function.name + ".after"
        case .hang: function.name + ".hang"
        case .crash: function.name + ".crash"
        case .sessionsLost: function.name + ".lost"
        }
    }

    /// What is in it.
    var text: String {
        switch fault {
        case .once(let value), .afterwards(let value): String(value.rawValue, radix: 16) + " 1"
        case .untilHealed(let value): String(value.rawValue, radix: 16)
        case .hang, .crash, .sessionsLost: ""
        }
    }

    /// The column of the table.
    var kind: String {
        switch fault {
        case .once: "once"
        case .untilHealed: "until healed"
        case .afterwards: "done, and an error"
        case .hang: "hang"
        case .crash: "crash"
        case .sessionsLost: "sessions lost"
        }
    }

    var description: String { "\(function.name) \(returnValue?.description ?? "") \(kind)" }

    /// Whether the token does what was asked for only after somebody has changed something: such a request may fail.
    /// Everything else is a fault that may pass.
    var mayFailRequests: Bool {
        guard let name = returnValue?.name else { return false }
        return Self.lasting.contains(name) || name.hasPrefix("CKR_PIN_")
    }

    private static let lasting: Set = [
        "CKR_USER_PIN_NOT_INITIALIZED", "CKR_FUNCTION_NOT_SUPPORTED", "CKR_MECHANISM_INVALID", "CKR_DEVICE_MEMORY",
    ]

    /// How often C_Login may be called with one PIN value before an administrator has looked; nil without a limit,
    /// because the token did not compare the PIN.
    var mostLogins: Int? {
        guard function.name == "C_Login", let returnValue else { return nil }
        if returnValue.name?.hasPrefix("CKR_PIN_") == true { return 1 }
        return Recovery.pinWasNotJudged(returnValue) ? nil : 2
    }

    /// Whether an administrator has to say that the PIN may be tried again: it was judged, or tried twice.
    var needsAdministrator: Bool {
        guard let mostLogins else { return false }
        // Twice within the time of the fault, so that none is left.
        if case .untilHealed = fault { return true }
        return mostLogins == 1
    }

    /// Every function × every value × every way to return it, and each function's own faults once.
    static func all(_ values: [ReturnValue]) -> [FaultCase] {
        CryptokiFunction.all.flatMap { function in
            values.flatMap { [.once($0), .untilHealed($0), .afterwards($0)] }.map { FaultCase(function: function, fault: $0) }
                + [.hang, .crash, .sessionsLost].map { FaultCase(function: function, fault: $0) }
        }
    }
}

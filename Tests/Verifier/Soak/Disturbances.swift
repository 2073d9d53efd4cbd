/// What is done to the agent during a soak, and when: the same for the same seed.
struct Disturbances {
    enum Action: Equatable {
        case killHelper
        /// Makes the token fail as the file of that name in softhsm/fault-module.c says, …
        case breakToken(fault: String, text: String)
        /// … and takes the file away.
        case healToken(fault: String)
        case fillDisk
        case healDisk
        case reload
    }

    struct Event {
        /// Seconds after the start.
        var time: Double
        var action: Action
    }

    /// Seconds between two ends of the helper.
    static let pace = 10.0
    /// Seconds at the end in which nothing new is broken, so that the agent is seen to work again.
    static let calm = 3.0

    /// A name in softhsm/fault-module.c and what its file holds. C_Login is left alone: tries of a PIN are limited for
    /// good.
    private static let faults: [(name: String, text: String)] = [
        ("away", ""), ("logged-out", ""), ("sessions-lost", ""), ("search-held", ""), ("made-sessions-lost", ""),
        // CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED, CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED
        ("C_Sign", "5 3"), ("C_Sign", "6 3"), ("C_Sign", "30 3"), ("C_SignInit", "32 3"),
        // CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN, CKR_SESSION_COUNT
        ("C_SignInit", "b3 3"), ("C_SignInit", "101 3"), ("C_OpenSession", "b1 2"), ("C_FindObjectsInit", "b3 2"),
        ("C_GenerateKeyPair", "30 1"), ("C_GenerateKeyPair.after", "30 1"), ("C_DestroyObject.after", "30 1"),
    ]

    private(set) var events: [Event] = []

    /// - Parameter seconds: How long the soak lasts.
    init(seconds: Double, random: inout Generator) {
        var start = 0.0
        var round = 0
        let end = seconds - Disturbances.calm
        func part(_ range: ClosedRange<Double>) -> Double {
            range.lowerBound + (range.upperBound - range.lowerBound) * Double(random.below(1_000)) / 1_000
        }
        while start < end {
            // The first helper ends where nothing else has been broken for long enough that nothing may fail.
            add(part(2...3), start, .killHelper, before: end)
            add(part(0.5...1.5), start, .reload, before: end)
            add(part(5...9), start, .reload, before: end)
            let fault = random.pick(Disturbances.faults), broken = part(4...4.5), whole = broken + part(0.3...1.2)
            if add(broken, start, .breakToken(fault: fault.name, text: fault.text), before: end - 2) {
                add(whole, start, .healToken(fault: fault.name), before: .infinity)
            }
            if round.isMultiple(of: 2) {
                let full = part(4...6)
                if add(full, start, .fillDisk, before: end - 2) { add(full + part(0.5...1.2), start, .healDisk, before: .infinity) }
            }
            start += Disturbances.pace
            round += 1
        }
        events.sort { $0.time < $1.time }
    }

    @discardableResult
    private mutating func add(_ offset: Double, _ start: Double, _ action: Action, before end: Double) -> Bool {
        guard start + offset < end else { return false }
        events.append(Event(time: start + offset, action: action))
        return true
    }

    /// What heals next, whatever its time; what breaks before it is left out.
    mutating func nextHealing() -> Action? {
        while let event = events.first {
            events.removeFirst()
            switch event.action {
            case .healToken, .healDisk: return event.action
            case .killHelper, .breakToken, .fillDisk, .reload: continue
            }
        }
        return nil
    }

    /// The next event if its time has come.
    mutating func due(_ now: Double) -> Action? {
        guard let event = events.first, event.time <= now else { return nil }
        events.removeFirst()
        return event.action
    }
}

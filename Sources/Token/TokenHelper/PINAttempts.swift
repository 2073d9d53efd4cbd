/// What is remembered of PIN values that were given to one token, and whether one may be given again: a wrong PIN in a configuration must
/// cost one try, not the token (pkcs11-provider #455, tpm2-pkcs11 #534), and a right one that was cut off must not cost the service.
///
/// A value without I/O and clock. It is written down after `begin` and before C_Login, and again after `end`; a process that ends in
/// between leaves a try whose answer nobody saw. For each PIN value there are at most two tries without a success between them, and the
/// second only where the first had no answer that judged the PIN.
struct PINAttempts: Hashable, Sendable {
    /// Tells a PIN value from others without telling what it is: `PIN.tag(salt:)`.
    struct Mark: Hashable, Sendable {
        let salt: [UInt8]
        let tag: UInt16
    }

    struct Record: Hashable, Sendable {
        let mark: Mark
        /// 1 or 2.
        var tries: Int
        /// The token judged the PIN: CKR_PIN_INCORRECT and its like.
        var isRefused: Bool
        /// Another PIN was accepted since, so that the token counts wrong ones from the beginning again.
        var isBeforeSuccess: Bool
    }

    /// What CK_TOKEN_INFO says of tries; see `TokenInfo`.
    struct Flags: Hashable, Sendable {
        /// CKF_USER_PIN_LOCKED.
        var isLocked = false
        /// CKF_USER_PIN_COUNT_LOW or CKF_USER_PIN_FINAL_TRY.
        var isCountLow = false
    }

    /// How C_Login ended.
    enum Answer: Hashable, Sendable, CaseIterable {
        case accepted
        /// CKR_PIN_INCORRECT and its like.
        case refused
        /// The token certainly did not look at the PIN: it was not there, or the session was not.
        case notTaken
        /// Anything else: the PIN may have been counted as wrong.
        case unclear
    }

    /// Why no try is made.
    enum Refusal: Error, Hashable, Sendable {
        /// The token refused this value.
        case refusedBefore
        /// Two tries of this value were not accepted.
        case triedTwice
        case locked
        case countLow
        /// `mostRecords` other values are remembered, and none was accepted since.
        case tooManyValues
    }

    /// The oldest first; each value once.
    private(set) var records: [Record] = []

    /// Far more wrong PINs than a token stands without a right one between them.
    static let mostRecords = 8
    static let mostTries = 2

    init() {}

    /// What was written down; nil where that cannot have been written by this type.
    init?(records: [Record]) {
        guard records.count <= Self.mostRecords, records.allSatisfy({ (1...Self.mostTries).contains($0.tries) }),
            Set(records.map(\.mark)).count == records.count
        else { return nil }
        self.records = records
    }

    /// Counts a try that is about to be made, or throws why none may be made. To be on the disk before the token sees the PIN.
    /// - Parameter mark: that of the value's record if it has one, else a new one.
    mutating func begin(_ mark: Mark, flags: Flags) throws(Refusal) {
        let index = records.firstIndex { $0.mark == mark }
        if let index {
            if records[index].isRefused { throw .refusedBefore }
            if records[index].tries >= Self.mostTries { throw .triedTwice }
        }
        // They can lie (OpenSC #871), which the count above bounds.
        if flags.isLocked { throw .locked }
        if flags.isCountLow { throw .countLow }
        if let index {
            records[index].tries += 1
            return
        }
        if records.count >= Self.mostRecords {
            // One that was tried before a success costs little when it comes again: the token's count began anew.
            guard let oldest = records.firstIndex(where: \.isBeforeSuccess) else { throw .tooManyValues }
            records.remove(at: oldest)
        }
        records.append(Record(mark: mark, tries: 1, isRefused: false, isBeforeSuccess: false))
    }

    /// Takes note of how the try that `begin` counted has ended.
    mutating func end(_ mark: Mark, _ answer: Answer) {
        guard let index = records.firstIndex(where: { $0.mark == mark }) else { return }
        switch answer {
        case .accepted:
            records.remove(at: index)
            for other in records.indices { records[other].isBeforeSuccess = true }
        case .refused:
            records[index].isRefused = true
            records[index].isBeforeSuccess = false
        case .notTaken:
            records[index].tries -= 1
            if records[index].tries == 0 { records.remove(at: index) }
        case .unclear:
            break
        }
    }

    /// Takes over a value that an earlier version remembered, which did not tell a refusal from a try that was cut off.
    mutating func adopt(_ mark: Mark) {
        guard !records.contains(where: { $0.mark == mark }) else { return }
        if records.count >= Self.mostRecords { records.removeFirst() }
        records.append(Record(mark: mark, tries: Self.mostTries, isRefused: true, isBeforeSuccess: false))
    }
}

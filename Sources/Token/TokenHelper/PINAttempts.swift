/// Which PIN values were tried on one token, and whether one may be tried again. A wrong PIN in a configuration must
/// cost one try, not the token (pkcs11-provider #455, tpm2-pkcs11 #534). A right PIN whose login was cut off must not
/// cost the service.
///
/// A value without I/O and clock. It is stored after `begin` and before C_Login, and again after `end`. A process that
/// ends in between leaves a try whose result is unknown. Each PIN value gets at most two tries without a success
/// between them, and the second only if the token did not judge the first.
struct PINAttempts: Hashable, Sendable {
    /// Distinguishes a PIN value from others without revealing it: `PIN.tag(salt:)`.
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
        /// Another PIN has been accepted since, so the token counts wrong ones from zero again.
        var isBeforeSuccess: Bool
    }

    /// What CK_TOKEN_INFO says about tries; see `TokenInfo`.
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
        /// The token certainly did not check the PIN: the token or the session was missing.
        case notTaken
        /// Anything else: the PIN may have been counted as wrong.
        case unclear
    }

    /// Why no try is made.
    enum Refusal: Error, Hashable, Sendable {
        /// The token refused this value, or an earlier version did not record its answer.
        case refusedBefore
        /// Two tries of this value were not accepted.
        case triedTwice
        case locked
        case countLow
        /// `mostRecords` other values are remembered, and none was accepted since.
        case tooManyValues
    }

    /// Oldest first; each value once.
    private(set) var records: [Record] = []

    /// Far more wrong PINs than a token allows without a right one between them.
    static let mostRecords = 8
    static let mostTries = 2

    init() {}

    /// The stored records; nil if this type cannot have written them.
    init?(records: [Record]) {
        guard records.count <= Self.mostRecords, records.allSatisfy({ (1...Self.mostTries).contains($0.tries) }),
            Set(records.map(\.mark)).count == records.count
        else { return nil }
        self.records = records
    }

    /// Counts a try that is about to be made, or throws the reason if it may not be made. Must be on disk before the
    /// token sees the PIN.
    /// - Parameter mark: The mark of the value's record if it has one, else a new one.
    mutating func begin(_ mark: Mark, flags: Flags) throws(Refusal) {
        let index = records.firstIndex { $0.mark == mark }
        if let index {
            if records[index].isRefused { throw .refusedBefore }
            if records[index].tries >= Self.mostTries { throw .triedTwice }
        }
        // The flags can be wrong (OpenSC #871); the count above limits the damage.
        if flags.isLocked { throw .locked }
        if flags.isCountLow { throw .countLow }
        if let index {
            records[index].tries += 1
            return
        }
        if records.count >= Self.mostRecords {
            // A value from before a success costs little when it comes again: the token's count restarted then.
            guard let oldest = records.firstIndex(where: \.isBeforeSuccess) else { throw .tooManyValues }
            records.remove(at: oldest)
        }
        records.append(Record(mark: mark, tries: 1, isRefused: false, isBeforeSuccess: false))
    }

    /// Records how the try that `begin` counted has ended.
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

    /// Takes over a value from an earlier version's file, which does not tell a refusal from an interrupted try.
    mutating func adopt(_ mark: Mark) {
        guard !records.contains(where: { $0.mark == mark }) else { return }
        if records.count >= Self.mostRecords { records.removeFirst() }
        records.append(Record(mark: mark, tries: Self.mostTries, isRefused: true, isBeforeSuccess: false))
    }
}

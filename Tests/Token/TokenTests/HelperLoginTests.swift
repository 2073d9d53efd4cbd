import Foundation
import Testing
import TokenProtocol

@Suite struct HelperLoginTests {
    private func kind(_ reply: HelperReply) -> TokenFailure.Kind? {
        if case .failure(let failure) = reply { failure.kind } else { nil }
    }

    private func memory(_ fixture: HelperFixture) -> String { fixture.folder + "/state/pin-attempt-unit" }

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
            // Nothing is signed meanwhile, and the helper lives.
            let key = TokenKeyReference(id: [1], label: "x", spki: [])
            #expect(try helper.failure(.sign(key, .ecdsa, []), link: 1)?.kind == .pinNotTriedAgain)
            #expect(try helper.failure(.list)?.kind == .pinNotTriedAgain)
        }
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 1)

        // What is remembered is private and small.
        let attributes = try FileManager.default.attributesOfItem(atPath: memory(fixture))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: memory(fixture)))
        #expect(bytes.range(of: Data("314159".utf8)) == nil)
        #expect(bytes.count == "acme-agent pin attempt 1\n".utf8.count + 18)

        // Another PIN would be another try, if the token did not say that tries run out (SoftHSM says so after one).
        try fixture.write("271828\n", to: fixture.pinFile)
        #expect(kind(try helper.ask(.status)) == .pinLocked)
        #expect(fixture.calls("C_Login") == 1)
        try fixture.logInByHand()
        guard case .ready = try helper.ask(.status) else {
            Issue.record("the right PIN was not tried")
            return
        }
        #expect(fixture.calls("C_Login") == 2)
        #expect(!FileManager.default.fileExists(atPath: memory(fixture)))
        _ = try helper.generate()
    }

    @Test func removingTheMemoryAllowsAnotherTry() throws {
        let fixture = try HelperFixture()
        try fixture.write("314159", to: fixture.pinFile)
        let helper = try HelperProcess()
        let module = try fixture.faultModule()
        #expect(kind(try helper.hello(fixture, module: module)) == .pinIncorrect)
        try fixture.logInByHand()
        #expect(kind(try helper.ask(.status)) == .pinNotTriedAgain)
        try FileManager.default.removeItem(atPath: memory(fixture))
        #expect(kind(try helper.ask(.status)) == .pinIncorrect)
        #expect(fixture.calls("C_Login") == 2)
    }

    @Test func aMemoryThatCannotBeReadOrWrittenMeansNoTry() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        try fixture.write("something else", to: memory(fixture))
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .pinNotTriedAgain)
        try FileManager.default.removeItem(atPath: fixture.folder + "/state")
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        #expect(fixture.calls("C_Login") == 0)
    }

    @Test func aDeviceThatFailsAtLoginDoesNotBurnThePIN() throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        try fixture.fault("C_Login", "30 1")  // CKR_DEVICE_ERROR
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .device)
        guard case .ready = try helper.ask(.status) else {
            Issue.record("the PIN was not tried again")
            return
        }
        // CKR_GENERAL_ERROR is what some drivers say to a wrong PIN.
        let second = try HelperProcess()
        try fixture.fault("C_Login", "5 1")
        #expect(kind(try second.hello(fixture, module: module)) == .device)
        #expect(kind(try second.ask(.status)) == .pinNotTriedAgain)
    }

    @Test(arguments: [("10000", TokenFailure.Kind.pinLocked), ("20000", .pinLocked), ("40000", .pinLocked)])
    func noPINIsTriedWhenFewTriesAreLeft(flags: String, expected: TokenFailure.Kind) throws {
        let fixture = try HelperFixture()
        let module = try fixture.faultModule()
        try fixture.fault("token-flags", flags)
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == expected)
        #expect(fixture.calls("C_Login") == 0)
        #expect(!FileManager.default.fileExists(atPath: memory(fixture)))
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
        // Neither waited for nor read.
        #expect(mkfifo(fixture.pinFile, 0o600) == 0)
        #expect(kind(try helper.ask(.status)) == .pinUnavailable)
        try FileManager.default.removeItem(atPath: fixture.pinFile)
        // Without a line feed at its end, it is good as well.
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
        try fixture.write("271828", to: fixture.pinFile)
        _ = try helper.signature(key, .ecdsa, digest)
    }
}

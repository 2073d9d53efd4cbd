import Crypto
import Foundation
import Testing
import TokenProtocol
import TokenTestSupport

/// What the helper does with a PIN whose try was interrupted, on a token that counts wrong ones and on one that does
/// not say so.
@Suite struct HelperPINMemoryTests {
    private let fixture: HelperFixture
    private let module: String

    init() throws {
        fixture = try HelperFixture()
        module = try fixture.faultModule()
    }

    private func kind(_ reply: HelperReply) -> TokenFailure.Kind? {
        if case .failure(let failure) = reply { failure.kind } else { nil }
    }

    private func hello(_ helper: HelperProcess, name: String = "unit") throws -> TokenFailure.Kind? {
        kind(try helper.hello(fixture, module: module, name: name))
    }

    /// Starts a helper and kills it in C_Login: before the token has the PIN, or after.
    private func killInLogin(afterwards: Bool = false) throws {
        let fault = afterwards ? "login-held-after" : "login-held"
        let before = fixture.calls("C_Login")
        try fixture.fault(fault)
        defer { fixture.endFault(fault) }
        let helper = try HelperProcess()
        try helper.send([(1, .hello(fixture.configuration(module: module)))])
        try fixture.waitForCalls("C_Login", before + 1)
        // Long enough to be inside SoftHSM, whose C_Login takes a millisecond.
        if afterwards { usleep(100_000) }
        helper.kill()
    }

    @Test func aRightPINWhoseTryWasCutOffIsTriedOnceMore() throws {
        try killInLogin()
        #expect(fixture.pinMemory != nil)
        let helper = try HelperProcess()
        #expect(try hello(helper) == nil)
        #expect(fixture.calls("C_Login") == 2)
        #expect(fixture.pinMemory == nil)
        // Then everything is as if nothing had happened, and a later interruption costs no more than the first.
        _ = helper.end()
        try killInLogin(afterwards: true)
        #expect(try hello(HelperProcess()) == nil)
        #expect(fixture.calls("C_Login") == 4)
    }

    @Test func aTryThatWasCutOffTwiceIsTheLastOverAllRestarts() throws {
        try killInLogin()
        try killInLogin(afterwards: true)
        for _ in 0..<3 {
            let helper = try HelperProcess()
            let reply = try helper.hello(fixture, module: module)
            #expect(kind(reply) == .pinNotTriedAgain)
            guard case .failure(let failure) = reply else { return }
            #expect(failure.message.contains("tried twice"))
            #expect(failure.hint?.contains(fixture.pinMemory ?? "?") == true)
        }
        #expect(fixture.calls("C_Login") == 2)
    }

    @Test func aWrongPINWhoseRefusalNobodySawIsNotTriedWhereTheTokenCounts() throws {
        try fixture.write("314159\n", to: fixture.pinFile)
        try killInLogin(afterwards: true)
        let helper = try HelperProcess()
        #expect(try hello(helper) == .pinLocked)
        #expect(fixture.calls("C_Login") == 1)
    }

    @Test func aWrongPINIsTriedTwiceAtTheMostWhereTheTokensFlagsLie() throws {
        try fixture.fault("token-flags-off", "70000")
        try fixture.write("314159\n", to: fixture.pinFile)
        try killInLogin(afterwards: true)
        let helper = try HelperProcess()
        #expect(try hello(helper) == .pinIncorrect)
        #expect(try hello(helper) == .pinNotTriedAgain)
        #expect(try hello(HelperProcess()) == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 2)
        // Another value and back: the record is still there.
        try fixture.write("271828\n", to: fixture.pinFile)
        #expect(try hello(helper) == nil)
        try fixture.write("314159\n", to: fixture.pinFile)
        #expect(try hello(HelperProcess()) == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 3)
    }

    @Test(arguments: ["5", "6", "30", "32", "80000001"])
    func anAnswerThatSaysNothingOfThePINAllowsOneMoreTry(returnValue: String) throws {
        try fixture.fault("C_Login", "\(returnValue) 1")
        let helper = try HelperProcess()
        #expect(try hello(helper) == .device)
        // Not at once: the device may still be failing.
        #expect(kind(try helper.ask(.status)) == .device)
        #expect(fixture.calls("C_Login") == 1)
        try untilReady(helper, within: 5)
        #expect(fixture.calls("C_Login") == 2)
        #expect(fixture.pinMemory == nil)
    }

    @Test func twoSuchAnswersAreTheEnd() throws {
        try fixture.fault("C_Login", "5 100")
        var helper = try HelperProcess()
        #expect(try hello(helper) == .device)
        helper = try HelperProcess()
        #expect(try hello(helper) == .device)
        for _ in 0..<3 { #expect(try hello(HelperProcess()) == .pinNotTriedAgain) }
        #expect(fixture.calls("C_Login") == 2)
    }

    @Test func theSecondTryWaitsForADeviceThatDoesSomething() throws {
        try killInLogin()
        try fixture.fault("C_GenerateRandom", "30 100000")
        let helper = try HelperProcess()
        for _ in 0..<3 { #expect(try hello(helper) == .device) }
        #expect(fixture.calls("C_Login") == 1)
        fixture.endFault("C_GenerateRandom")
        #expect(try hello(helper) == nil)
        #expect(fixture.calls("C_Login") == 2)
    }

    @Test func twoHelpersOfOneTokenDoNotTryAtOnce() throws {
        try fixture.fault("login-held")
        let first = try HelperProcess()
        try first.send([(1, .hello(fixture.configuration(module: module)))])
        try fixture.waitForCalls("C_Login", 1)
        let second = try HelperProcess()
        let reply = try second.hello(fixture, module: module, name: "another-name")
        guard case .failure(let failure) = reply else {
            Issue.record("\(reply)")
            return
        }
        #expect(failure.kind == .device && failure.message.contains("another process"))
        #expect(fixture.calls("C_Login") == 1)
        fixture.endFault("login-held")
        #expect(kind(try first.receive().reply) == nil)
        #expect(kind(try second.ask(.status)) == nil)
    }

    @Test func oneTokenUnderTwoNamesIsOneToken() throws {
        try fixture.fault("token-flags-off", "70000")
        try fixture.write("314159\n", to: fixture.pinFile)
        #expect(try hello(HelperProcess()) == .pinIncorrect)
        #expect(try hello(HelperProcess(), name: "another-name") == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 1)
    }

    @Test func whatVersionOneRememberedIsTakenOver() throws {
        let former = fixture.folder + "/state/pin-attempt-unit"
        let salt = [UInt8](0..<16)
        var digest = Array(SHA256.hash(data: salt + Array("271828".utf8)))
        for _ in 0..<20_000 { digest = Array(SHA256.hash(data: salt + digest)) }
        try Data(Array("acme-agent pin attempt 1\n".utf8) + salt + digest.prefix(2)).write(to: URL(fileURLWithPath: former))
        // That version did not record whether the token had refused the PIN.
        #expect(try hello(HelperProcess()) == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 0)
        // Another PIN is tried, and the old one stays recorded.
        try fixture.write("314159\n", to: fixture.pinFile)
        #expect(try hello(HelperProcess()) == .pinIncorrect)
        #expect(!FileManager.default.fileExists(atPath: former))
        try fixture.logInByHand()
        try fixture.write("271828\n", to: fixture.pinFile)
        #expect(try hello(HelperProcess()) == .pinNotTriedAgain)
        #expect(fixture.calls("C_Login") == 1)
    }

    @Test func aSuccessThatCouldNotBeWrittenDownIsWrittenLater() throws {
        try fixture.fault("login-held")
        let helper = try HelperProcess()
        try helper.send([(7, .hello(fixture.configuration(module: module)))])
        try fixture.waitForCalls("C_Login", 1)
        // What is in the file's place cannot be unlinked, not even by root.
        let memory = try #require(fixture.pinMemory)
        let away = fixture.folder + "/away"
        try FileManager.default.moveItem(atPath: memory, toPath: away)
        try FileManager.default.createDirectory(atPath: memory, withIntermediateDirectories: false)
        fixture.endFault("login-held")
        #expect(kind(try helper.receive().reply) == nil)
        #expect(fixture.pinMemory == memory)
        try FileManager.default.removeItem(atPath: memory)
        try FileManager.default.moveItem(atPath: away, toPath: memory)
        #expect(kind(try helper.ask(.status)) == nil)
        #expect(fixture.pinMemory == nil)
    }

    private func untilReady(_ helper: HelperProcess, within seconds: Double) throws {
        let end = Date(timeIntervalSinceNow: seconds)
        while Date() < end {
            if kind(try helper.ask(.status)) == nil { return }
            usleep(50_000)
        }
        Issue.record("the token did not come back")
    }
}

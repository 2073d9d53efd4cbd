import Foundation
import Testing
import TokenProtocol
import TokenTestSupport

/// A device that is unplugged and returns: who notices, who is told, and what it costs.
@Suite struct HelperOutageTests {
    private let fixture: HelperFixture
    private let module: String
    private let digest = [UInt8](repeating: 3, count: 32)

    init() throws {
        fixture = try HelperFixture()
        module = try fixture.faultModule()
    }

    private func kind(_ reply: HelperReply) -> TokenFailure.Kind? {
        if case .failure(let failure) = reply { failure.kind } else { nil }
    }

    private func isReady(_ reply: HelperReply) -> Bool { if case .ready = reply { true } else { false } }

    @Test func aDeviceThatIsAwayIsSaidToBeAndIsInUseAsSoonAsItIsBack() throws {
        let helper = try HelperProcess()
        _ = try helper.open(fixture, module: module)
        let key = try helper.generate().reference
        try fixture.fault("away")
        #expect(try helper.failure(.sign(key, .ecdsa, digest), link: 1) != nil)
        // Nobody has asked.
        let failure = try #require(kind(helper.announcement()))
        #expect([.noToken, .device].contains(failure))
        // A look costs no C_Initialize while nothing has changed.
        let initialised = fixture.calls("C_Initialize")
        for _ in 0..<3 { #expect(kind(try helper.ask(.look)) == failure) }
        #expect(fixture.calls("C_Initialize") == initialised)
        fixture.endFault("away")
        #expect(isReady(try helper.ask(.look)))
        _ = try helper.signature(key, .ecdsa, digest)
        #expect(fixture.calls("C_Login") == 2)
        // Each change was reported once, in an answer or unasked.
        _ = try helper.ask(.status)
        #expect(helper.announcements.count == 1)
    }

    @Test func aDeviceThatComesAfterTheStartIsFoundByALook() throws {
        try fixture.fault("away")
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .noToken)
        #expect(kind(try helper.ask(.look)) == .noToken)
        fixture.endFault("away")
        #expect(isReady(try helper.ask(.look)))
        #expect(fixture.calls("C_Login") == 1)
    }

    /// The device answers all the time, so nothing seems to have changed.
    @Test(arguments: ["C_GetMechanismList", "C_GetSessionInfo", "C_OpenSession", "C_Initialize", "C_GetFunctionList"])
    func aTokenThatCouldNotBeOpenedIsOpenedByALook(function: String) throws {
        try fixture.fault(function, "5")
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .device)
        for _ in 0..<2 { #expect(kind(try helper.ask(.look)) == .device) }
        fixture.endFault(function)
        #expect(isReady(try helper.ask(.look)))
    }

    @Test func aModuleThatCannotBeFinalisedFindsItsTokenNevertheless() throws {
        try fixture.fault("C_Finalize", "5")
        try fixture.fault("C_GetMechanismList", "5 1")
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .device)
        #expect(isReady(try helper.ask(.status)))
        #expect(fixture.faults("C_Finalize") == 1)
    }

    @Test func aSignatureBringsTheTokenBackAndTheDaemonIsTold() throws {
        let helper = try HelperProcess()
        _ = try helper.open(fixture, module: module)
        let key = try helper.generate().reference
        try fixture.fault("away")
        #expect(try helper.failure(.sign(key, .ecdsa, digest), link: 1) != nil)
        #expect(kind(try helper.announcement()) != nil)
        fixture.endFault("away")
        let end = Date(timeIntervalSinceNow: 5)
        while try helper.failure(.sign(key, .ecdsa, digest), link: 1) != nil, Date() < end { usleep(50_000) }
        #expect(isReady(try helper.announcement()))
        #expect(Date() < end)
    }

    @Test func keyMakingAloneBringsTheTokenBack() throws {
        let helper = try HelperProcess()
        _ = try helper.open(fixture, module: module)
        try fixture.fault("away")
        #expect(try helper.failure(.generate(label: "a", id: Array("a".utf8), algorithm: .p256)) != nil)
        #expect(kind(try helper.announcement()) != nil)
        fixture.endFault("away")
        let end = Date(timeIntervalSinceNow: 5)
        while try helper.failure(.generate(label: "b", id: Array("b".utf8), algorithm: .p256)) != nil, Date() < end { usleep(50_000) }
        #expect(Date() < end)
        #expect(isReady(try helper.ask(.status)))
    }

    @Test func aCorrectedPINFileIsSeenByALook() throws {
        try fixture.write("314159\r\n", to: fixture.pinFile)
        let helper = try HelperProcess()
        #expect(kind(try helper.hello(fixture, module: module)) == .pinUnavailable)
        #expect(kind(try helper.ask(.look)) == .pinUnavailable)
        try fixture.write("271828\n", to: fixture.pinFile)
        #expect(isReady(try helper.ask(.look)))
        #expect(fixture.calls("C_Login") == 1)
    }

    @Test func oneKeyThatAlwaysFailsDoesNotHaveTheTokenOpenedAgainAndAgain() throws {
        let helper = try HelperProcess(links: 2)
        _ = try helper.open(fixture, module: module)
        let key = try helper.generate().reference
        let begin = Date()
        var failures = 0
        while failures < 20 {
            // The first and the second session of one signature.
            try fixture.fault("C_Sign", "5 3")
            if try helper.failure(.sign(key, .ecdsa, digest), link: 1) != nil { failures += 1 }
            fixture.endFault("C_Sign")
            // Another key's signature in between does not make it look like a new failure.
            _ = try helper.signature(key, .ecdsa, digest, link: 2)
        }
        let allowed = Date().timeIntervalSince(begin) < 1 ? 1 : 3
        #expect(fixture.calls("C_Initialize") - 1 + fixture.calls("C_Login") - 1 <= 2 * allowed)
        #expect(helper.announcements.isEmpty)
    }

    /// Fifteen seconds without a request.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil))
    func anIdleHelperNoticesThatTheDeviceIsAway() throws {
        let helper = try HelperProcess()
        _ = try helper.open(fixture, module: module)
        try fixture.fault("away")
        #expect(kind(try helper.announcement()) != nil)
        fixture.endFault("away")
        #expect(isReady(try helper.ask(.look)))
    }
}

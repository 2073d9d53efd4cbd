import Foundation
import Testing
import TokenProtocol
import TokenTestSupport

@Suite struct HelperRecoveryTests {
    private let digest = [UInt8](repeating: 3, count: 32)

    private func opened(links: Int = 1) throws -> (HelperFixture, HelperProcess, TokenKeyReference) {
        let fixture = try HelperFixture()
        let helper = try HelperProcess(links: links)
        _ = try helper.open(fixture, module: fixture.faultModule())
        let key = try helper.generate().reference
        for link in 1...links { _ = try helper.signature(key, .ecdsa, digest, link: link) }
        return (fixture, helper, key)
    }

    @Test(arguments: ["b3", "b0", "90", "91", "6"])
    func aLostSessionIsReplaced(returnValue: String) throws {
        let (fixture, helper, key) = try opened()
        try fixture.fault("C_SignInit", "\(returnValue) 1")
        _ = try helper.signature(key, .ecdsa, digest)
        try fixture.fault("C_Sign", "\(returnValue) 1")
        _ = try helper.signature(key, .ecdsa, digest)
        #expect(fixture.calls("C_Login") == 1)
    }

    @Test(arguments: ["60", "82"])
    func aStaleHandleIsFoundAgain(returnValue: String) throws {
        let (fixture, helper, key) = try opened()
        try fixture.fault("C_SignInit", "\(returnValue) 1")
        _ = try helper.signature(key, .ecdsa, digest)
        #expect(fixture.calls("C_OpenSession") == 2)
    }

    @Test func everySessionAndTheLoginLostAtOnceComeBack() throws {
        let (fixture, helper, key) = try opened(links: 3)
        try fixture.fault("sessions-lost")
        for link in 1...3 { try helper.send([(1, .sign(key, .ecdsa, digest)), (2, .sign(key, .ecdsa, digest))], link: link) }
        for link in 1...3 {
            for id in 1...2 {
                let (number, reply) = try helper.receive(link: link)
                #expect(number == UInt32(id))
                guard case .signature = reply else {
                    Issue.record("\(reply)")
                    continue
                }
            }
        }
        #expect(fixture.calls("C_Login") == 2)
        _ = try helper.ask(.list)
    }

    @Test func aLostLoginComesBack() throws {
        let (fixture, helper, key) = try opened(links: 2)
        try fixture.fault("logged-out")
        for link in 1...2 { _ = try helper.signature(key, .ecdsa, digest, link: link) }
        #expect(fixture.calls("C_Login") == 2)
    }

    @Test func aDeviceErrorIsTriedInANewSessionFirst() throws {
        let (fixture, helper, key) = try opened()
        try fixture.fault("C_Sign", "30 1")
        _ = try helper.signature(key, .ecdsa, digest)
        #expect(fixture.calls("C_Login") == 1)
        #expect(fixture.calls("C_Initialize") == 1)
    }

    @Test func aDeviceThatStaysDeadIsRecoveredAtOnceAndThenNotForEachSignature() throws {
        let (fixture, helper, key) = try opened(links: 2)
        try fixture.fault("C_Sign", "30 100000")
        for _ in 0..<5 {
            for link in 1...2 {
                let failure = try helper.failure(.sign(key, .ecdsa, digest), link: link)
                #expect(failure?.kind == .device)
                #expect(failure?.function == "C_Sign")
                #expect(failure?.returnValue == 0x30)
            }
        }
        // The login at the start and the one of the recovery, when the token was still logged in through the other
        // sessions.
        #expect(fixture.calls("C_Login") <= 2)
        // None within the first second; one after it, if the machine is that slow.
        #expect(fixture.calls("C_Finalize") <= 1)
        // It recovers by itself without a restart.
        fixture.endFault("C_Sign")
        for link in 1...2 { _ = try helper.signature(key, .ecdsa, digest, link: link) }
    }

    @Test func aDeviceThatCannotBeLoggedInToIsInitialisedAgain() throws {
        let (fixture, helper, key) = try opened(links: 2)
        try fixture.fault("sessions-lost")
        try fixture.fault("C_Login", "e0 1")
        for link in 1...2 { _ = try helper.signature(key, .ecdsa, digest, link: link) }
        #expect(fixture.calls("C_Finalize") == 1)
        #expect(fixture.calls("C_Initialize") == 2)
    }

    @Test func aLoginThatWentWrongInARecoveryIsTriedOnceMoreALittleLater() throws {
        let (fixture, helper, key) = try opened()
        try fixture.fault("sessions-lost")
        try fixture.fault("C_Login", "30 1")
        #expect(try helper.failure(.sign(key, .ecdsa, digest), link: 1)?.kind == .device)
        guard case .failure = try helper.announcement() else {
            Issue.record("the daemon is not told")
            return
        }
        #expect(fixture.calls("C_Login") == 2)
        let end = Date(timeIntervalSinceNow: 5)
        while Date() < end {
            if case .ready = try helper.ask(.status) { break }
            usleep(50_000)
        }
        #expect(fixture.calls("C_Login") == 3)
        _ = try helper.signature(key, .ecdsa, digest)
        #expect(fixture.pinMemory == nil)
    }

    @Test func aPINThatWasChangedMeanwhileIsNotHammered() throws {
        let (fixture, helper, key) = try opened(links: 2)
        try fixture.write("314159", to: fixture.pinFile)
        try fixture.fault("sessions-lost")
        for _ in 0..<3 {
            for link in 1...2 {
                let kind = try helper.failure(.sign(key, .ecdsa, digest), link: link)?.kind
                #expect(kind == .pinIncorrect || kind == .pinNotTriedAgain)
            }
        }
        #expect(fixture.calls("C_Login") == 2)
        try fixture.write("271828", to: fixture.pinFile)
        try fixture.logInByHand()
        guard case .ready = try helper.ask(.status) else {
            Issue.record("not opened again")
            return
        }
        for link in 1...2 { _ = try helper.signature(key, .ecdsa, digest, link: link) }
    }

    @Test func keyManagementSurvivesALostSession() throws {
        let (fixture, helper, key) = try opened()
        try fixture.fault("C_GenerateKeyPair", "b3 1")
        _ = try helper.generate(label: "second", id: [UInt8](repeating: 2, count: TokenLimits.uniqueID))
        #expect(try helper.ask(.destroy(key)) == .done)
    }
}

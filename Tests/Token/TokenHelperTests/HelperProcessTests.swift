import Foundation
import Testing
import TokenProtocol
import TokenTestSupport

@Suite struct HelperProcessTests {
    @Test func theEndOfTheControlLinkIsTheEndOfTheHelper() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess(links: 2)
        _ = try helper.open(fixture)
        let key = try helper.generate().reference
        _ = try helper.signature(key, .ecdsa, [UInt8](repeating: 1, count: 32))
        #expect(helper.end() == 0)
    }

    @Test(arguments: [0, 1])
    func whatIsNoRequestEndsTheHelper(link: Int) throws {
        let helper = try HelperProcess()
        try helper.send(bytes: [0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3], link: link)
        #expect(helper.wait() == 64 << 8)
    }

    @Test func beforeHelloNothingIsSignedAndNothingIsManaged() throws {
        let helper = try HelperProcess()
        let key = TokenKeyReference(id: [1], label: "x", spki: [])
        #expect(try helper.failure(.sign(key, .ecdsa, []), link: 1)?.kind == .invalidRequest)
        #expect(try helper.failure(.list)?.kind == .invalidRequest)
        #expect(try helper.failure(.status)?.kind == .invalidRequest)
        #expect(try helper.failure(.list, link: 1)?.kind == .invalidRequest)
    }

    @Test(arguments: ["", ".", "../up", "a/b", ".hidden", "a b", String(repeating: "a", count: 65)])
    func aTokensNameThatIsNoFileNameIsRefused(name: String) throws {
        let helper = try HelperProcess()
        let configuration = TokenConfiguration(
            name: name, module: HelperFixture.softHSM, uri: "pkcs11:", pinSource: nil, pool: 1, stateDirectory: "/nonexistent")
        #expect(try helper.failure(.hello(configuration))?.kind == .invalidRequest)
    }

    @Test func itCannotBeMadeToServeAnotherToken() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        _ = try helper.open(fixture)
        let other = try helper.hello(fixture, uri: "pkcs11:token=another")
        guard case .failure(let failure) = other else {
            Issue.record("\(other)")
            return
        }
        #expect(failure.kind == .invalidRequest)
        _ = try helper.open(fixture)
    }

    @Test func itIsProtectedAndScheduledAsBatchWork() throws {
        let helper = try HelperProcess()
        // An answer means that main has started.
        _ = try helper.failure(.status)
        #expect(sched_getscheduler(helper.identifier) == 3)
        let limits = try String(contentsOfFile: "/proc/\(helper.identifier)/limits", encoding: .utf8)
        let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
        #expect(core.split(separator: " ").dropFirst(4).prefix(2) == ["0", "0"])
        // A signal for the whole group must not arrive before the last reply.
        #expect(kill(helper.identifier, SIGTERM) == 0)
        #expect(try helper.failure(.status)?.kind == .invalidRequest)
    }
}

import Crypto
import Foundation
import JOSE
import Testing
import TokenProtocol
import TokenTestSupport

/// Key generation that is interrupted, or that a token completes and then reports as failed.
@Suite struct HelperKeyMakingTests {
    private let id = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    private let digest = [UInt8](repeating: 3, count: 32)

    /// A token, and a helper that has opened it through the fault module.
    private func opened() throws -> (HelperFixture, HelperProcess) {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        _ = try helper.open(fixture, module: fixture.faultModule())
        return (fixture, helper)
    }

    private var generation: HelperRequest { .generate(label: "made", id: id, algorithm: .p256) }

    /// Another reply than the expected one.
    private struct Unexpected: Error {
        let reply: HelperReply
    }

    private func made(_ helper: HelperProcess) throws -> TokenKey {
        let reply = try helper.ask(generation)
        guard case .key(let key) = reply else { throw Unexpected(reply: reply) }
        return key
    }

    private func failure(_ helper: HelperProcess) throws -> TokenFailure {
        let reply = try helper.ask(generation)
        guard case .failure(let failure) = reply else { throw Unexpected(reply: reply) }
        return failure
    }

    /// Objects in the token, private and public.
    private func objects(_ fixture: HelperFixture) throws -> Int {
        let tokens = fixture.folder + "/token/tokens"
        return try FileManager.default.subpathsOfDirectory(atPath: tokens).filter {
            $0.hasSuffix(".object") && !$0.hasSuffix("token.object")
        }.count
    }

    /// The key is the only one of the token, and a helper that did not see its creation signs with it.
    private func expectOneUsablePair(_ key: TokenKey, _ fixture: HelperFixture) throws {
        #expect(try objects(fixture) == 2)
        #expect(key.weaknesses.isEmpty)
        let next = try HelperProcess()
        _ = try next.open(fixture)
        _ = try next.signature(key.reference, .ecdsa, digest)
    }

    /// A key is made, or nothing is left of it and nothing is in doubt.
    private func expectOnePairOrNone(_ helper: HelperProcess, _ fixture: HelperFixture) throws {
        switch try helper.ask(generation) {
        case .key(let key): try expectOneUsablePair(key, fixture)
        case .failure(let failure):
            #expect(!failure.mayHaveHappened)
            #expect(try objects(fixture) == 0)
        case let reply: throw Unexpected(reply: reply)
        }
    }

    /// Values that lead to another template, to a new session, or to no retry at all.
    static let answers = [
        "d1", "12", "13", "10", "d0", "130", "140", "70", "b3", "b0", "6", "90", "5", "30", "32", "101", "31", "e0", "e1", "60", "82", "7",
        "2",
        "3", "50", "54", "80000001",
    ]

    @Test(arguments: answers)
    func aCallThatDidItsWorkAndAnsweredWithAnErrorMakesOnePairOrNone(returnValue: String) throws {
        let (fixture, helper) = try opened()
        try fixture.fault("C_GenerateKeyPair.after", "\(returnValue) 1")
        try expectOnePairOrNone(helper, fixture)
    }

    @Test func sessionsLostBehindTheWorkMakeOnePair() throws {
        let (fixture, helper) = try opened()
        try fixture.fault("made-sessions-lost")
        let key = try made(helper)
        #expect(fixture.calls("C_GenerateKeyPair") == 1)
        try expectOneUsablePair(key, fixture)
    }

    @Test(arguments: ["b3", "5", "30", "31"])
    func aPairWhoseAttributesCannotBeReadIsUsedOrDestroyed(returnValue: String) throws {
        let (fixture, helper) = try opened()
        try fixture.fault("C_GetAttributeValue", "\(returnValue) 2")
        try expectOnePairOrNone(helper, fixture)
    }

    /// NSS's softoken.
    @Test func aTokenThatReturnsNumbersOnlyIntoBuffersOfTheirLengthMakesAPair() throws {
        let (fixture, helper) = try opened()
        try fixture.fault("stored-numbers")
        try expectOneUsablePair(try made(helper), fixture)
    }

    /// tpm2-pkcs11. What the smaller template leaves to the token is forbidden afterwards.
    @Test func aTokenThatFailsWhenDecryptionIsForbiddenMakesAPairThatDoesNotDecrypt() throws {
        let (fixture, helper) = try opened()
        try fixture.fault("decrypt-refused")
        try expectOneUsablePair(try made(helper), fixture)
        #expect(fixture.calls("C_GenerateKeyPair") == 3)
    }

    @Test func aPairThatIsNotProtectedIsDestroyedWhenTheFirstTryFails() throws {
        let (fixture, helper) = try opened()
        try fixture.fault("extractable")
        try fixture.fault("C_DestroyObject", "5 1")
        let failure = try failure(helper)
        #expect(failure.kind == .keyRejected)
        #expect(try objects(fixture) == 0)
    }

    @Test func aPairThatCannotBeLookedForIsInDoubt() throws {
        let (fixture, helper) = try opened()
        try fixture.fault("C_GenerateKeyPair.after", "31 1")
        try fixture.fault("C_FindObjectsInit", "5 1000")
        let failure = try failure(helper)
        #expect(failure.mayHaveHappened)
        #expect(try objects(fixture) == 2)
    }

    // MARK: After an interrupted generation

    @Test(arguments: [("made-died", true), ("made-public", false), ("made-private", false)])
    func whatAKilledHelperLeftIsTheWholePairOrNothing(where fault: String, isWhole: Bool) throws {
        let (fixture, helper) = try opened()
        try fixture.fault(fault)
        try helper.send([(1, generation)])
        _ = helper.wait()
        let next = try HelperProcess()
        _ = try next.open(fixture)
        guard case .settled(let key) = try next.ask(.settle(label: "made", id: id)) else {
            Issue.record("nothing was found out")
            return
        }
        #expect((key != nil) == isWhole)
        #expect(try objects(fixture) == (isWhole ? 2 : 0))
        if let key { _ = try next.signature(key.reference, .ecdsa, digest) }
    }

    @Test func settlingTouchesNothingOfAnotherKey() throws {
        let (fixture, helper) = try opened()
        // The same id with another label belongs to somebody else.
        let other = try helper.generate(label: "other", id: id)
        #expect(try helper.ask(.settle(label: "made", id: id)) == .settled(nil))
        #expect(try objects(fixture) == 2)
        _ = try helper.signature(other.reference, .ecdsa, digest)
        // An id that the agent does not make may belong to anybody.
        let short = try helper.ask(.generate(label: "short", id: [9], algorithm: .p256))
        guard case .key = short else {
            Issue.record("\(short)")
            return
        }
        #expect(try objects(fixture) == 4)
    }

    @Test func aLoginThatIsLostIsNotTakenForAnEmptyToken() throws {
        let (fixture, helper) = try opened()
        let key = try made(helper)
        // Without a login only the public half can be seen, and it would look like a leftover.
        try fixture.fault("search-logged-out")
        #expect(try helper.ask(.settle(label: "made", id: id)) == .settled(key))
        #expect(try objects(fixture) == 2)
    }

    @Test func whereTheLoginStaysLostNothingIsFoundOutAndNothingDestroyed() throws {
        let (fixture, helper) = try opened()
        let key = try made(helper)
        try fixture.fault("search-logged-out")
        try fixture.fault("C_Login", "30 1000")
        for request in [HelperRequest.settle(label: "made", id: id), .find(uri: "pkcs11:object=made"), .list, .destroy(key.reference)] {
            #expect(try helper.failure(request) != nil)
        }
        #expect(try objects(fixture) == 2)
    }

    // MARK: Destroying

    @Test func aKeyThatIsGoneIsDestroyedAlreadyAndItsPublicHalfWithIt() throws {
        let (fixture, helper) = try opened()
        let key = try made(helper)
        // The private half is destroyed, and the call for the public half fails.
        try fixture.fault("C_DestroyObject.after", "5 1")
        #expect(try helper.ask(.destroy(key.reference)) == .done)
        #expect(try objects(fixture) == 0)
        #expect(try helper.ask(.destroy(key.reference)) == .done)
    }

    @Test func aKeyThatCannotBeDestroyedIsNotSaidToBe() throws {
        let (fixture, helper) = try opened()
        let key = try made(helper)
        try fixture.fault("C_DestroyObject", "31 1")
        #expect(try helper.failure(.destroy(key.reference)) != nil)
        _ = try helper.signature(key.reference, .ecdsa, digest)
    }

    // MARK: Weak keys

    @Test func whatAnImportedKeyLetsHappenIsTold() throws {
        let (fixture, helper) = try opened()
        try fixture.importKey(pem: P256.Signing.PrivateKey().pemRepresentation, id: "AB", label: "imported")
        let next = try HelperProcess()
        _ = try next.open(fixture)
        guard case .keys(let keys, _) = try next.ask(.find(uri: "pkcs11:object=imported")), let key = keys.first else {
            Issue.record("no key")
            return
        }
        #expect(key.weaknesses.isSuperset(of: [.wasExtractable, .wasNotSensitive]))
        withExtendedLifetime(helper) {}
    }
}

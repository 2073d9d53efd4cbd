import Foundation
import PKCS11
import Testing

/// What needs a module. Serialised: logins and key generation are the process's (SoftHSM #329, #573).
@Suite(.serialized) struct TokenTests {
    private let fixture: ModuleFixture
    private let session: Session

    init() throws {
        fixture = try ModuleFixture.shared.get()
        session = try fixture.session()
    }

    @Test func tokensAreFoundByURIAndNeverGuessed() throws {
        let token = try fixture.module.token(matching: TokenURI("pkcs11:token=two;manufacturer=SoftHSM%20project"))
        #expect(token.label == "two")
        #expect(token.manufacturer == "SoftHSM project")
        #expect(token.isLoginRequired && !token.isPINLocked)
        let serial = try fixture.module.token(matching: TokenURI("pkcs11:serial=\(token.serialNumber)"))
        #expect(serial.slot == token.slot)
        // Attributes that could lead to another module or PIN are ignored.
        let ignoring = "pkcs11:token=two?module-path=/nonexistent.so&pin-value=0000&pin-source=/nonexistent"
        #expect(try fixture.module.token(matching: TokenURI(ignoring)).slot == token.slot)
        #expect(throws: PKCS11Error.noToken(uri: "pkcs11:token=three")) {
            try fixture.module.token(matching: TokenURI("pkcs11:token=three"))
        }
        #expect(throws: PKCS11Error.severalTokens(uri: "pkcs11:", count: 2)) { try fixture.module.token(matching: TokenURI("pkcs11:")) }
    }

    @Test func eachAttributeOfTheURIRestrictsTheToken() throws {
        let token = try fixture.module.token(matching: TokenURI("pkcs11:token=two"))
        let slot = "slot-id=\(token.slot)"
        for fitting in [
            "model=SoftHSM%20v2", "manufacturer=SoftHSM%20project", "serial=\(token.serialNumber)", slot,
            "slot-manufacturer=SoftHSM%20project",
            "library-manufacturer=SoftHSM", "library-description=Implementation%20of%20PKCS11", "library-version=2.6",
        ] {
            #expect(try fixture.module.token(matching: TokenURI("pkcs11:token=two;\(fitting)")).slot == token.slot, "\(fitting)")
        }
        for other in [
            "model=x", "manufacturer=x", "serial=x", "slot-id=4242", "slot-manufacturer=x", "slot-description=x", "library-manufacturer=x",
            "library-description=x", "library-version=9.9", "serial=", "model=",
        ] {
            let uri = "pkcs11:token=two;\(other)"
            #expect(throws: PKCS11Error.noToken(uri: uri), "\(other)") { try fixture.module.token(matching: TokenURI(uri)) }
        }
    }

    @Test func eachAttributeOfTheURIRestrictsTheKey() throws {
        let key = try session.generateKeyPair(.p256, id: [9, 9], label: Array("restricted".utf8))
        defer { try? session.destroy(key) }
        for fitting in ["token=one", "type=private", "id=%09%09", "model=SoftHSM%20v2", "library-version=2.6"] {
            #expect(try session.keys(matching: TokenURI("pkcs11:object=restricted;\(fitting)", for: .key)) == [key], "\(fitting)")
        }
        for none in ["id=%09", "id="] {
            #expect(try session.keys(matching: TokenURI("pkcs11:object=restricted;\(none)", for: .key)).isEmpty, "\(none)")
        }
        for other in ["token=two", "serial=x", "slot-id=4242", "library-manufacturer=x", "type=public"] {
            #expect(throws: PKCS11Error.self, "\(other)") {
                try session.keys(matching: TokenURI("pkcs11:object=restricted;id=%09%09;\(other)", for: .key))
            }
        }
    }

    @Test func initialisingTwiceIsNoError() throws {
        let epoch = fixture.module.epoch
        try fixture.module.initialize()
        // Sessions from before are not closed behind the module's back; they are no longer ours to close.
        #expect(fixture.module.epoch == epoch + 1)
        #expect(try session.isLoggedIn())
    }

    @Test func aLibraryThatIsNoModuleIsRefused() {
        #expect(throws: PKCS11Error.self) { try Module(path: "libc.so.6") }
        #expect(throws: PKCS11Error.self) { try Module(path: "/nonexistent.so") }
        #expect(throws: PKCS11Error.self) { try Module(path: "/usr/lib/x86_64-linux-gnu/libm.so.6") }
    }

    @Test func aKeyIsFoundByItsIDAndLabelOnly() throws {
        let key = try session.generateKeyPair(.p256, id: [1, 1], label: Array("found".utf8))
        defer { try? session.destroy(key) }
        #expect(try session.key(id: [1, 1], label: Array("found".utf8)) == key)
        #expect(!key.alwaysAuthenticate)
        #expect(key.protection == .full)
        #expect(throws: PKCS11Error.noKey) { try session.key(id: [1, 1], label: Array("other".utf8)) }
        #expect(throws: PKCS11Error.noKey) { try session.key(id: [1], label: Array("found".utf8)) }
        #expect(throws: PKCS11Error.noKey) { try session.key(id: [], label: []) }
        #expect(throws: PKCS11Error.severalKeys(count: 2)) {
            try session.generateKeyPair(.p256, id: [1, 1], label: Array("found".utf8))
        }
        // The same id with another label is legal (OpenSC #1613), and each key keeps its own public half.
        let twin = try session.generateKeyPair(.p256, id: [1, 1], label: Array("twin".utf8))
        #expect(twin.spki != key.spki)
        #expect(try session.key(id: [1, 1], label: Array("found".utf8)).spki == key.spki)
        try session.destroy(twin)
        #expect(try session.key(id: [1, 1], label: Array("found".utf8)).spki == key.spki)
        #expect(try session.keys(matching: TokenURI("pkcs11:id=%01%01")) == [key])
    }

    @Test func anRSAKeyOfAnotherSizeIsNotMade() throws {
        for bits in [0, 512, 1024, 2047, 8192] {
            #expect(throws: PKCS11Error.unsupported(reason: "the agent does not make RSA keys of \(bits) bits")) {
                try session.generateKeyPair(.rsa(bits: bits), id: [2], label: [0x61])
            }
        }
    }

    @Test func aSignatureOfAnotherKindIsRefusedBeforeTheToken() throws {
        let key = try session.generateKeyPair(.ed25519, id: [3], label: Array("edwards".utf8))
        defer { try? session.destroy(key) }
        let never: (Session) throws(PKCS11Error) -> Void = { _ in }
        #expect(try session.sign([], with: key, .ed25519, authenticate: never).count == 64)
        for scheme in [SignatureScheme.ecdsa, .rsaPKCS1(.sha256), .rsaPSS(.sha384)] {
            #expect(throws: PKCS11Error.self) { try session.sign([UInt8](repeating: 0, count: 32), with: key, scheme, authenticate: never) }
        }
    }

    @Test func aDestroyedKeysHandleIsStaleAndSaysSo() throws {
        let key = try session.generateKeyPair(.p256, id: [4], label: Array("gone".utf8))
        try session.destroy(key)
        let error = #expect(throws: PKCS11Error.self) {
            try session.sign([UInt8](repeating: 0, count: 32), with: key, .ecdsa) { _ throws(PKCS11Error) in }
        }
        let call = try #require(error?.cryptoki)
        #expect(call.function == "C_SignInit")
        #expect(Recovery(for: call.returnValue) == .findAgain)
    }

    @Test func manyKeysAreListedFast() throws {
        let isLong = ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil
        let count = isLong ? 300 : 120
        var made: Set<[UInt8]> = []
        for number in 0..<count {
            made.insert(try session.generateKeyPair(.p256, id: Array("many \(number)".utf8), label: Array("many".utf8)).spki)
        }
        let clock = ContinuousClock()
        var keys: [KeyObject] = []
        let elapsed = try clock.measure { keys = try session.keys() }
        #expect(Set(keys.map(\.spki)).isSuperset(of: made))
        // A fortieth of that on an idle machine; all tests share two cores.
        #expect(elapsed < .milliseconds(isLong ? 2_000 : 800))
    }

    @Test func thePoolGivesOutWhatItHasAndBeginsGenerations() throws {
        let pool = SessionPool(module: fixture.module, capacity: 2, readWrite: false)
        #expect(throws: PKCS11Error.self) { try pool.checkOut() }
        pool.open(slot: session.slot)
        let first = try pool.checkOut()
        let second = try pool.checkOut()
        #expect(first.session !== second.session)
        #expect(first.generation == pool.generation)
        #expect(try first.session.isLoggedIn())
        pool.checkIn(first, reusable: true)
        #expect(try pool.checkOut().session === first.session)
        pool.checkIn(first, reusable: false)
        let third = try pool.checkOut()
        #expect(third.session !== first.session)
        // A new generation: sessions of the old one are closed when they are returned.
        pool.open(slot: session.slot)
        pool.checkIn(second, reusable: true)
        pool.checkIn(third, reusable: true)
        let fourth = try pool.checkOut()
        #expect(fourth.generation == first.generation + 1)
        #expect(fourth.session !== second.session && fourth.session !== third.session)
        #expect(throws: PKCS11Error.self) { try second.session.isLoggedIn() }
        pool.checkIn(fourth, reusable: true)
        pool.drain()
        #expect(throws: PKCS11Error.self) { try pool.checkOut() }
    }

    @Test func aSessionThatIsOutKeepsTheNextCallerWaiting() async throws {
        let pool = SessionPool(module: fixture.module, capacity: 1, readWrite: false)
        pool.open(slot: session.slot)
        let lease = try pool.checkOut()
        let waiting = Thread.waiting(for: pool)
        pool.checkIn(lease, reusable: true)
        #expect(await waiting.value)
    }
}

extension Thread {
    /// Takes a session and returns it, on its own thread.
    fileprivate static func waiting(for pool: SessionPool) -> Task<Bool, Never> {
        Task {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    guard let lease = try? pool.checkOut() else { return continuation.resume(returning: false) }
                    pool.checkIn(lease, reusable: true)
                    continuation.resume(returning: true)
                }
            }
        }
    }
}

import Crypto
import CryptoExtras
import Foundation
import JOSE
import Testing
import TokenProtocol
import TokenTestSupport

@Suite struct HelperSigningTests {
    @Test(arguments: KeyAlgorithm.allCases)
    func everyKindOfKeySigns(algorithm: KeyAlgorithm) throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        let information = try helper.open(fixture)
        #expect(information.algorithms.contains(algorithm))
        #expect(information.isLoggedIn)
        let key = try helper.generate(algorithm)
        #expect(key.algorithm == algorithm)
        #expect(key.weaknesses.isEmpty)

        let message = Data("what is signed".utf8)
        let spki = Data(key.reference.spki)
        switch algorithm {
        case .p256:
            let signature = try helper.signature(key.reference, .ecdsa, Array(SHA256.hash(data: message)))
            let publicKey = try P256.Signing.PublicKey(derRepresentation: spki)
            #expect(publicKey.isValidSignature(try P256.Signing.ECDSASignature(rawRepresentation: signature), for: message))
        case .p384:
            let signature = try helper.signature(key.reference, .ecdsa, Array(SHA384.hash(data: message)))
            let publicKey = try P384.Signing.PublicKey(derRepresentation: spki)
            #expect(publicKey.isValidSignature(try P384.Signing.ECDSASignature(rawRepresentation: signature), for: message))
        case .ed25519:
            let signature = try helper.signature(key.reference, .ed25519, Array(message))
            let publicKey = try Curve25519.Signing.PublicKey(rawRepresentation: spki.suffix(32))
            #expect(publicKey.isValidSignature(signature, for: message))
            // Longer than one read.
            let long = [UInt8](repeating: 0x61, count: 200_000)
            #expect(publicKey.isValidSignature(try helper.signature(key.reference, .ed25519, long), for: long))
        case .rsa2048, .rsa3072, .rsa4096:
            let publicKey = try _RSA.Signing.PublicKey(derRepresentation: spki)
            let digest256 = SHA256.hash(data: message), digest384 = SHA384.hash(data: message)
            let digest512 = SHA512.hash(data: message)
            func rsa(_ mechanism: SigningMechanism, _ digest: [UInt8]) throws -> _RSA.Signing.RSASignature {
                _RSA.Signing.RSASignature(rawRepresentation: try helper.signature(key.reference, mechanism, digest))
            }
            #expect(
                publicKey.isValidSignature(
                    try rsa(.rsaPKCS1SHA256, Array(digest256)), for: digest256, padding: .insecurePKCS1v1_5))
            #expect(
                publicKey.isValidSignature(
                    try rsa(.rsaPKCS1SHA384, Array(digest384)), for: digest384, padding: .insecurePKCS1v1_5))
            #expect(publicKey.isValidSignature(try rsa(.rsaPSSSHA256, Array(digest256)), for: digest256, padding: .PSS))
            #expect(publicKey.isValidSignature(try rsa(.rsaPSSSHA384, Array(digest384)), for: digest384, padding: .PSS))
            #expect(
                publicKey.isValidSignature(
                    try rsa(.rsaPKCS1SHA512, Array(digest512)), for: digest512, padding: .insecurePKCS1v1_5))
            #expect(publicKey.isValidSignature(try rsa(.rsaPSSSHA512, Array(digest512)), for: digest512, padding: .PSS))
        }
    }

    @Test func inputsThatDoNotFitAreRefused() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        _ = try helper.open(fixture)
        let key = try helper.generate().reference
        for (mechanism, length) in [(SigningMechanism.ecdsa, 31), (.ecdsa, 48), (.rsaPKCS1SHA256, 32), (.ed25519, 32)] {
            let failure = try helper.failure(.sign(key, mechanism, [UInt8](repeating: 1, count: length)), link: 1)
            #expect(failure?.kind == .unsupported)
        }
        // The session is still usable.
        _ = try helper.signature(key, .ecdsa, [UInt8](repeating: 1, count: 32))
    }

    @Test func everyLinkSignsAtTheSameTimeAndAnswersInOrder() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess(links: 4)
        _ = try helper.open(fixture)
        let key = try helper.generate()
        let publicKey = try P256.Signing.PublicKey(derRepresentation: key.reference.spki)
        let rounds: UInt32 = 25
        let pipelined: UInt32 = 4
        for round in 0..<rounds {
            for link in 1...4 {
                try helper.send(
                    (0..<pipelined).map { number in
                        let digest = SHA256.hash(data: [UInt8(link), UInt8(round), UInt8(number)])
                        return (number, .sign(key.reference, .ecdsa, Array(digest)))
                    }, link: link)
            }
            for link in 1...4 {
                for number in 0..<pipelined {
                    let (id, reply) = try helper.receive(link: link)
                    #expect(id == number)
                    guard case .signature(let bytes) = reply else {
                        Issue.record("\(reply)")
                        continue
                    }
                    let message = [UInt8(link), UInt8(round), UInt8(number)]
                    #expect(publicKey.isValidSignature(try P256.Signing.ECDSASignature(rawRepresentation: bytes), for: message))
                }
            }
        }
    }

    @Test func moreLinksThanSessionsWaitForEachOther() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess(links: 3)
        // The anchor and two for signing, although four were requested.
        try fixture.fault("session-limit", "3")
        _ = try helper.open(fixture, module: fixture.faultModule(), pool: 4)
        let key = try helper.generate().reference
        for _ in 0..<20 {
            for link in 1...3 { try helper.send([(1, .sign(key, .ecdsa, [UInt8](repeating: 7, count: 32)))], link: link) }
            for link in 1...3 {
                let reply = try helper.receive(link: link).reply
                guard case .signature = reply else {
                    Issue.record("\(reply)")
                    continue
                }
            }
        }
    }

    @Test func theKeyMustBeTheOneThatWasPinned() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        _ = try helper.open(fixture)
        let key = try helper.generate().reference
        let digest = [UInt8](repeating: 3, count: 32)
        var other = key
        other.spki = Array(P256.Signing.PrivateKey().publicKey.derRepresentation)
        #expect(try helper.failure(.sign(other, .ecdsa, digest), link: 1)?.kind == .keyMismatch)
        #expect(try helper.failure(.destroy(other))?.kind == .keyMismatch)
        var unknown = key
        unknown.label = "unknown"
        #expect(try helper.failure(.sign(unknown, .ecdsa, digest), link: 1)?.kind == .noKey)
        unknown = key
        unknown.id = [9]
        #expect(try helper.failure(.sign(unknown, .ecdsa, digest), link: 1)?.kind == .noKey)
        _ = try helper.signature(key, .ecdsa, digest)
        // A second key may not take the same id and label.
        #expect(try helper.failure(.generate(label: "key", id: key.id, algorithm: .p256))?.kind == .severalKeys)
    }

    @Test func twoKeysWithOneNameAreAnErrorAndNotAGuess() throws {
        let fixture = try HelperFixture()
        let keys = [P256.Signing.PrivateKey(), P256.Signing.PrivateKey()]
        for key in keys { try fixture.importKey(pem: key.pemRepresentation, id: "AA01", label: "twice") }
        let helper = try HelperProcess()
        _ = try helper.open(fixture)
        for key in keys {
            let reference = TokenKeyReference(id: [0xAA, 0x01], label: "twice", spki: Array(key.publicKey.derRepresentation))
            #expect(try helper.failure(.sign(reference, .ecdsa, [UInt8](repeating: 3, count: 32)), link: 1)?.kind == .severalKeys)
            let failure = try helper.failure(.destroy(reference))
            #expect(failure?.kind == .severalKeys && failure?.hint?.contains("pkcs11-tool --login --list-objects") == true)
        }
    }

    @Test func aDestroyedKeySignsNoMore() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess(links: 2)
        _ = try helper.open(fixture)
        let key = try helper.generate().reference
        let digest = [UInt8](repeating: 3, count: 32)
        for link in 1...2 { _ = try helper.signature(key, .ecdsa, digest, link: link) }
        #expect(try helper.ask(.destroy(key)) == .done)
        for link in 1...2 { #expect(try helper.failure(.sign(key, .ecdsa, digest), link: link)?.kind == .noKey) }
        #expect(try helper.ask(.destroy(key)) == .done)
        #expect(try helper.ask(.list) == .keys([], more: false))
    }

    @Test func keysAreListedInPagesAndFoundByURI() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        _ = try helper.open(fixture)
        #expect(try helper.ask(.list) == .keys([], more: false))
        var made: Set<TokenKey> = []
        for number in 0..<(TokenLimits.keysInReply + 4) { made.insert(try helper.generate(label: "key \(number)")) }
        try helper.send([(3, .list)])
        var listed: Set<TokenKey> = []
        var pages = 0
        var isMore = true
        while isMore {
            guard case (3, .keys(let keys, let more)) = try helper.receive() else {
                Issue.record("no list")
                return
            }
            listed.formUnion(keys)
            pages += 1
            isMore = more
        }
        #expect(pages == 2)
        #expect(listed == made)

        let first = try #require(made.first { $0.reference.label == "key 1" })
        #expect(try helper.ask(.find(uri: "pkcs11:token=unit;object=key%201")) == .keys([first], more: false))
        #expect(try helper.ask(.find(uri: "pkcs11:id=%6b%65%79%20%31;type=private")) == .keys([first], more: false))
        #expect(try helper.ask(.find(uri: "pkcs11:object=none")) == .keys([], more: false))
        #expect(try helper.failure(.find(uri: "pkcs11:object=x;type=cert"))?.kind == .invalidRequest)
        #expect(try helper.failure(.find(uri: "http://x"))?.kind == .invalidRequest)
    }

    @Test func aKeyThatCouldLeaveTheTokenIsDestroyed() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        _ = try helper.open(fixture, module: fixture.faultModule())
        try fixture.fault("extractable")
        let failure = try helper.failure(.generate(label: "key", id: [1], algorithm: .p256))
        #expect(failure?.kind == .keyRejected)
        #expect(try helper.ask(.list) == .keys([], more: false))
        fixture.endFault("extractable")
        _ = try helper.generate()
    }

    @Test func aTokenThatWantsASmallerTemplateGetsIt() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        _ = try helper.open(fixture, module: fixture.faultModule())
        try fixture.fault("C_GenerateKeyPair", "d1 1")  // CKR_TEMPLATE_INCONSISTENT
        _ = try helper.generate(.ed25519)
        #expect(fixture.calls("C_GenerateKeyPair") == 2)
        try fixture.fault("C_GenerateKeyPair", "31 1")  // CKR_DEVICE_MEMORY
        #expect(try helper.failure(.generate(label: "full", id: [1], algorithm: .p256))?.kind == .tokenFull)
    }
}

import Crypto
import Testing

@testable import PKCS11

/// What needs no module.
@Suite struct EncodingTests {
    @Test func aPointIsTakenInEachFormThatTokensGive() throws {
        let key = P256.Signing.PrivateKey().publicKey
        let point = Array(key.x963Representation)
        for form in [point, [0x04, 65] + point, [0x03, 66, 0] + point] {
            #expect(SubjectPublicKeyInfo.ec(.p256, point: form) == Array(key.derRepresentation))
        }
        let p384 = P384.Signing.PrivateKey().publicKey
        let long = Array(p384.x963Representation)
        for form in [long, [0x04, 97] + long, [0x03, 98, 0] + long] {
            #expect(SubjectPublicKeyInfo.ec(.p384, point: form) == Array(p384.derRepresentation))
        }
        // A raw Edwards point may begin with any byte, even with a tag and a length.
        let edwards: [UInt8] = [0x04, 0x1E] + [UInt8](repeating: 9, count: 30)
        let spki = SubjectPublicKeyInfo.ec(.ed25519, point: edwards)
        #expect(spki?.suffix(32) == edwards[...])
        #expect(spki == SubjectPublicKeyInfo.ec(.ed25519, point: [0x04, 32] + edwards))
        #expect(spki == SubjectPublicKeyInfo.ec(.ed25519, point: [0x03, 33, 0] + edwards))
    }

    @Test func aPointOfAnotherFormIsNotTaken() {
        let point = Array(P256.Signing.PrivateKey().publicKey.x963Representation)
        let compressed = [UInt8](P256.Signing.PrivateKey().publicKey.compressedRepresentation)
        let bad: [[UInt8]] = [
            [], [0x04], compressed, Array(point.dropLast()), point + [0], [0x04, 64] + point, [0x30, 65] + point, [0x03, 66, 1] + point,
            [0x02] + point.dropFirst(), [0x04, 0x81, 65] + point,
        ]
        for form in bad { #expect(SubjectPublicKeyInfo.ec(.p256, point: form) == nil) }
        #expect(SubjectPublicKeyInfo.ec(.p384, point: point) == nil)
        #expect(SubjectPublicKeyInfo.ec(.rsa(bits: 2048), point: point) == nil)
    }

    @Test func anRSAKeyIsWrittenInMinimalDER() {
        // RFC 3279 §2.3.1, worked out by hand for a modulus with its first bit set and a leading zero.
        let spki = SubjectPublicKeyInfo.rsa(modulus: [0, 0x80, 1], exponent: [0, 3])
        #expect(
            spki == [
                0x30, 0x1C, 0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x0B, 0x00,
                0x30, 0x08, 0x02, 0x03, 0x00, 0x80, 0x01, 0x02, 0x01, 0x03,
            ])
        #expect(SubjectPublicKeyInfo.rsa(modulus: [], exponent: [3]) == nil)
        #expect(SubjectPublicKeyInfo.rsa(modulus: [5], exponent: [0]) == nil)
        #expect(SubjectPublicKeyInfo.bitCount([0, 0x7F, 0]) == 15)
        #expect(SubjectPublicKeyInfo.bitCount([]) == 0)
    }

    @Test func curvesAreKnownByOIDAndByName() {
        #expect(KeyType(parameters: [0x06, 0x03, 0x2B, 0x65, 0x70]) == .ed25519)
        #expect(KeyType(parameters: [0x13, 0x0C] + Array("edwards25519".utf8)) == .ed25519)
        #expect(KeyType(parameters: []) == nil)
        #expect(KeyType(parameters: [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23]) == nil)
    }

    @Test func severalPublicKeysOfOneIDAreToldApartByTheLabel() throws {
        func publicKey(_ label: String, _ spki: UInt8) -> PublicKeyAttributes {
            PublicKeyAttributes(id: [1], label: Array(label.utf8), type: .p256, spki: [spki])
        }
        let key = PrivateKeyAttributes(
            handle: 1, id: [1], label: Array("a".utf8), alwaysAuthenticate: false, protection: .full, ownPublicKey: nil)
        #expect(try key.counterpart(among: [publicKey("b", 2), publicKey("a", 1)]).spki == [1])
        #expect(try key.counterpart(among: [publicKey("b", 2)]).spki == [2])
        #expect(try key.counterpart(among: [publicKey("a", 1), publicKey("a", 1)]).spki == [1])
        #expect(throws: PKCS11Error.severalKeys(count: 2)) { try key.counterpart(among: [publicKey("a", 1), publicKey("a", 2)]) }
        #expect(throws: PKCS11Error.severalKeys(count: 2)) { try key.counterpart(among: [publicKey("b", 1), publicKey("c", 2)]) }
        #expect(throws: PKCS11Error.self) { try key.counterpart(among: []) }
    }

    @Test func returnValuesHaveTheirNames() {
        #expect(CryptokiError(function: "C_Login", returnValue: 0xA0).description == "C_Login returned CKR_PIN_INCORRECT (0xa0)")
        #expect(ReturnValue(rawValue: 0x8000_0001).description == "CKR_VENDOR_DEFINED (0x80000001)")
        #expect(ReturnValue(rawValue: 0x7777).name == nil)
    }

    @Test func recoveryFollowsTheTable() {
        let table: [(Recovery, [UInt])] = [
            (.device, [0x05, 0x30, 0x32, 0xE0, 0xE1, 0x190]), (.newSession, [0xB3, 0xB0, 0x90, 0x91, 0x06]), (.findAgain, [0x60, 0x82]),
            (.logInAgain, [0x101]), (.never, [0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0x102]), (.none, [0x31, 0x70, 0x68, 0x150, 0x8000_0000]),
        ]
        for (recovery, values) in table {
            for value in values { #expect(Recovery(for: ReturnValue(rawValue: value)) == recovery, "\(ReturnValue(rawValue: value))") }
        }
        // A PIN that was judged, or may have been, is not tried again.
        for value: UInt in [0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0x05, 0x06, 0x30, 0x31, 0x32, 0x50, 0xB0, 0x8000_0000] {
            #expect(!Recovery.pinWasNotJudged(ReturnValue(rawValue: value)))
        }
        for value: UInt in [0xE0, 0xE1, 0xB3, 0x190, 0x102] {
            #expect(Recovery.pinWasNotJudged(ReturnValue(rawValue: value)))
        }
    }
}

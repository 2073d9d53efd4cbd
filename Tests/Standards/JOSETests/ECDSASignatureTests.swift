import Crypto
import JOSE
import Testing

@Suite("ECDSA signatures, raw and DER")
struct ECDSASignatureTests {
    @Test("OpenSSL's signatures, verified in raw form, come back as they were", arguments: [("p256", 32), ("p384", 48)])
    func openssl(name: String, size: Int) throws {
        let der = try Fixtures.bytes("signature/\(name).sig")
        let message = try Fixtures.bytes("signature/message.txt")
        let raw = try #require(ECDSASignature.raw(der: der, size: size))
        #expect(raw.count == 2 * size)
        #expect(ECDSASignature.der(raw: raw) == der)
        let spki = try Fixtures.bytes("signature/\(name).der")
        if size == 32 {
            let key = try P256.Signing.PublicKey(derRepresentation: spki)
            #expect(key.isValidSignature(try P256.Signing.ECDSASignature(rawRepresentation: raw), for: message))
        } else {
            let key = try P384.Signing.PublicKey(derRepresentation: spki)
            #expect(key.isValidSignature(try P384.Signing.ECDSASignature(rawRepresentation: raw), for: message))
        }
    }

    @Test("Sign bytes and leading zeros")
    func signBytes() {
        let raw: [UInt8] = [0x00, 0x80, 0x00, 0x7F]
        let der: [UInt8] = [0x30, 0x07, 0x02, 0x02, 0x00, 0x80, 0x02, 0x01, 0x7F]
        #expect(ECDSASignature.der(raw: raw) == der)
        #expect(ECDSASignature.raw(der: der, size: 2) == raw)
    }

    @Test(
        "Not a raw signature",
        arguments: [[], [1], [1, 2, 3], [0, 1], [1, 0], [0, 0], [UInt8](repeating: 1, count: 134)] as [[UInt8]])
    func refusedRaw(raw: [UInt8]) {
        #expect(ECDSASignature.der(raw: raw) == nil)
    }

    @Test(
        "Not a DER signature",
        arguments: [
            [], [0x30], [0x30, 0x00], [0x30, 0x03, 0x02, 0x01, 0x01],
            // two integers, with extra bytes inside or after the sequence
            [0x30, 0x09, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01], [0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x00],
            // zero, negative, a needless sign byte, no content
            [0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x01], [0x30, 0x06, 0x02, 0x01, 0x80, 0x02, 0x01, 0x01],
            [0x30, 0x07, 0x02, 0x02, 0x00, 0x01, 0x02, 0x01, 0x01], [0x30, 0x05, 0x02, 0x00, 0x02, 0x01, 0x01],
            // lengths in BER
            [0x30, 0x81, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01], [0x30, 0x80, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x00, 0x00],
            // larger than the curve
            [0x30, 0x08, 0x02, 0x03, 0x01, 0x01, 0x01, 0x02, 0x01, 0x01],
        ] as [[UInt8]])
    func refusedDER(der: [UInt8]) {
        #expect(ECDSASignature.raw(der: der, size: 2) == nil)
    }

    @Test("A size that no curve has", arguments: [Int.min, -1, 0, 67, Int.max])
    func size(_ size: Int) {
        #expect(ECDSASignature.raw(der: [0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01], size: size) == nil)
    }
}

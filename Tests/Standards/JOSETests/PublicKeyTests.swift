import JOSE
import Testing

@Suite("Public keys, against OpenSSL and Python")
struct PublicKeyTests {
    struct Expected: CustomTestStringConvertible {
        let name: String
        let thumbprint: String
        let fingerprint: String
        var testDescription: String { name }
    }

    static func expected() throws -> [Expected] {
        try Fixtures.text("valid/expected.txt").split(separator: "\n").map { line in
            let words = line.split(separator: " ").map { String($0) }
            return Expected(name: words[0], thumbprint: words[1], fingerprint: words[2])
        }
    }

    @Test("SPKI, PEM, thumbprint and fingerprint of each kind")
    func encodings() throws {
        let all = try Self.expected()
        #expect(all.count == 7)
        for expected in all {
            let der = try Fixtures.bytes("valid/\(expected.name).der")
            let key = try PublicKey(spki: der)
            #expect(key.spki == der, "\(expected.name)")
            #expect(key.spkiPEM == (try Fixtures.text("valid/\(expected.name).pem")), "\(expected.name)")
            #expect(key.thumbprint == expected.thumbprint, "\(expected.name)")
            #expect(Hexadecimal.encode(key.fingerprint) == expected.fingerprint, "\(expected.name)")
            #expect(try PublicKey(jwk: try object(String(decoding: key.jwk, as: UTF8.self))) == key, "\(expected.name)")
        }
    }

    @Test(
        "The algorithm of each kind",
        arguments: [
            ("p256", KeyAlgorithm.p256, JWSAlgorithm.ES256), ("p384", .p384, .ES384), ("rsa2048", .rsa2048, .RS256),
            ("rsa3072", .rsa3072, .RS256), ("rsa4096", .rsa4096, .RS256), ("ed25519", .ed25519, .EdDSA),
        ])
    func algorithms(name: String, algorithm: KeyAlgorithm, jws: JWSAlgorithm) throws {
        let key = try PublicKey(spki: try Fixtures.bytes("valid/\(name).der"))
        #expect(key.algorithm == algorithm)
        #expect(key.jwsAlgorithm == jws)
        #expect(algorithm.jwsAlgorithm == jws)
        #expect(algorithm.rsaBits == key.rsaBits)
        #expect(algorithm.isRSA == (key.rsaBits != nil))
        #expect(KeyAlgorithm(rawValue: algorithm.rawValue) == algorithm)
    }

    @Test("RSA of a size that the agent does not make is accepted, and has no algorithm")
    func unusualSize() throws {
        let key = try PublicKey(spki: try Fixtures.bytes("valid/rsa2056-exponent3.der"))
        #expect(key.algorithm == nil)
        #expect(key.rsaBits == 2056)
        guard case .rsa(let modulus, let exponent) = key else {
            Issue.record("not RSA")
            return
        }
        #expect(modulus.first != 0)
        #expect(exponent == [3])
    }

    @Test(
        "Keys of another kind are reported as unsupported",
        arguments: ["p521", "secp256k1", "explicit-curve", "rsa-pss", "x25519", "ed448", "rsa1024", "rsa2047", "rsa4104"])
    func unsupported(name: String) throws {
        let der = try Fixtures.bytes("refused/\(name).der")
        do throws(JOSEError) {
            _ = try PublicKey(spki: der)
            Issue.record("taken")
        } catch {
            guard case .unsupportedKey = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test("Points that are not in the uncompressed form are refused", arguments: ["compressed", "hybrid"])
    func pointForms(name: String) throws {
        let der = try Fixtures.bytes("refused/\(name).der")
        #expect(throws: JOSEError.self) { try PublicKey(spki: der) }
    }

    @Test("A point that is not on its curve is refused", arguments: ["p256", "p384"])
    func offCurve(name: String) throws {
        var der = try Fixtures.bytes("valid/\(name).der")
        der[der.count - 1] ^= 1
        #expect(throws: JOSEError.self) { try PublicKey(spki: der) }
    }

    @Test("No byte of the structure may be missing, added or changed", arguments: ["p256", "rsa2048", "ed25519"])
    func damaged(name: String) throws {
        let der = try Fixtures.bytes("valid/\(name).der")
        for count in 0..<der.count { #expect(throws: JOSEError.self) { try PublicKey(spki: Array(der[..<count])) } }
        #expect(throws: JOSEError.self) { try PublicKey(spki: der + [0]) }
        // Accepted input is in its canonical form: no second encoding is accepted, and nothing traps.
        for index in der.indices {
            for bit in 0..<8 {
                var other = der
                other[index] ^= 1 << UInt8(bit)
                if let key = try? PublicKey(spki: other) { #expect(key.spki == other) }
            }
        }
    }

    @Test("Lengths in BER only")
    func berLengths() throws {
        let der = try Fixtures.bytes("valid/ed25519.der")
        let content = der.dropFirst(2)
        for length in [
            [0x81, 0x2A], [0x82, 0x00, 0x2A], [0x84, 0, 0, 0, 0x2A], [0x80], [0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        ] as [[UInt8]] {
            #expect(throws: JOSEError.self) { try PublicKey(spki: [0x30] + length + content) }
        }
    }

    @Test("An RSA modulus with needless zeros, a negative one, an even one; exponents 1, even, 9 bytes")
    func rsaNumbers() throws {
        let good = [UInt8](repeating: 0xC1, count: 256)
        func spki(_ modulus: [UInt8], _ exponent: [UInt8]) -> [UInt8] {
            func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
                let count = content.count
                let length: [UInt8] =
                    count < 0x80 ? [UInt8(count)] : count < 0x100 ? [0x81, UInt8(count)] : [0x82, UInt8(count >> 8), UInt8(count & 255)]
                return [tag] + length + content
            }
            let algorithm: [UInt8] = [0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00]
            return element(0x30, algorithm + element(0x03, [0] + element(0x30, element(0x02, modulus) + element(0x02, exponent))))
        }
        #expect(try PublicKey(spki: spki([0] + good, [1, 0, 1])) == .rsa(modulus: good, exponent: [1, 0, 1]))
        #expect(throws: JOSEError.self) { try PublicKey(spki: spki([0, 0] + good, [1, 0, 1])) }
        #expect(throws: JOSEError.self) { try PublicKey(spki: spki(good, [1, 0, 1])) }
        #expect(throws: JOSEError.self) { try PublicKey(spki: spki([0] + good.dropLast() + [0xC2], [1, 0, 1])) }
        for exponent in [[], [0], [1], [2], [0, 3], [1, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 1]] as [[UInt8]] {
            #expect(throws: JOSEError.self) { try PublicKey(spki: spki([0] + good, exponent)) }
        }
    }

    @Test("Keys assembled by hand do not trap")
    func byHand() {
        let keys: [PublicKey] = [
            .ec(curve: .p256, x: [], y: []), .rsa(modulus: [], exponent: []), .rsa(modulus: [0, 0], exponent: [0]), .ed25519([]),
        ]
        for key in keys {
            #expect(!key.spki.isEmpty)
            #expect(!key.jwk.isEmpty)
            #expect(throws: JOSEError.self) { try PublicKey(spki: key.spki) }
        }
    }
}

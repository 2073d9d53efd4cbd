import ACME
import Crypto
import CryptoExtras
import JOSE
import Testing
import TokenProtocol
import X509

@testable import Keyring

/// TLS 1.2's ServerKeyExchange (RFC 8422 §5.4).
@Suite struct ServerKeyExchangeTests {
    enum Curve: CaseIterable {
        case x25519, p256, p384

        var number: [UInt8] {
            switch self {
            case .x25519: [0, 29]
            case .p256: [0, 23]
            case .p384: [0, 24]
            }
        }

        func point() -> [UInt8] {
            switch self {
            case .x25519: Array(Curve25519.KeyAgreement.PrivateKey().publicKey.rawRepresentation)
            case .p256: Array(P256.KeyAgreement.PrivateKey().publicKey.x963Representation)
            case .p384: Array(P384.KeyAgreement.PrivateKey().publicKey.x963Representation)
            }
        }
    }

    static func content(
        randoms: [UInt8] = [UInt8](repeating: 0xC1, count: 32) + [UInt8](repeating: 0x5E, count: 32), type: UInt8 = 3,
        number: [UInt8], length: UInt8? = nil, point: [UInt8]
    ) -> [UInt8] {
        randoms + [type] + number + [length ?? UInt8(truncatingIfNeeded: point.count)] + point
    }

    static func content(_ curve: Curve) -> [UInt8] { content(number: curve.number, point: curve.point()) }

    private func take(_ content: [UInt8], _ scheme: String = "ecdsa_secp256r1_sha256") throws -> HandshakeContent {
        try HandshakeContent(.serverKeyExchange, content: content, scheme: scheme)
    }

    @Test(arguments: zip(Curve.allCases, [100, 133, 165]))
    func theThreeCurvesAreTaken(_ curve: Curve, _ length: Int) throws {
        let content = ServerKeyExchangeTests.content(curve)
        #expect(content.count == length)
        _ = try take(content)
    }

    /// In TLS 1.2 any hash goes with any curve, and RSA has both paddings.
    @Test(arguments: KeyAlgorithm.allCases)
    func everyKeyButEd25519SignsWithEachOfItsSchemes(_ algorithm: KeyAlgorithm) throws {
        let software = try SoftwareKey.make(algorithm)
        let key = try software.signingKey("web-1", .certificate)
        var signed: Set<String> = []
        for scheme in TLSSignatureScheme.allCases where scheme.isFor(.serverKeyExchange) {
            let handshake = try take(ServerKeyExchangeTests.content(.p256), scheme.rawValue)
            guard let plan = try? SigningPlan.handshake(handshake, key: key) else { continue }
            signed.insert(scheme.rawValue)
            let task = plan.task
            switch key.algorithm {
            case .p256: #expect(task.tokenInput.count == 32)
            case .p384: #expect(task.tokenInput.count == 48)
            default: #expect(task.mechanism.accepts(inputOf: task.tokenInput.count))
            }
            let signature = try software.signAsToken(task)
            #expect(task.accepts(signature), "\(scheme.rawValue)")
            var wrong = signature
            wrong[wrong.count / 2] ^= 1
            #expect(!task.accepts(wrong), "\(scheme.rawValue)")
        }
        switch key.algorithm {
        case .p256, .p384: #expect(signed == ["ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512"])
        case .rsa2048, .rsa3072, .rsa4096:
            #expect(
                signed == [
                    "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384",
                    "rsa_pkcs1_sha512",
                ])
        case .ed25519: #expect(signed.isEmpty)
        }
    }

    @Test(arguments: ["ed25519", "rsa_pkcs1_sha1", "ecdsa_sha1", "rsa_pss_pss_sha256", "rsa_pkcs1_md5_sha1", ""])
    func weakHashesAndOtherSchemesAreRefused(_ scheme: String) {
        #expect(throws: CompositionError.self) { try take(ServerKeyExchangeTests.content(.x25519), scheme) }
    }

    /// A point that is not on its curve, or not of its form.
    @Test func pointsThatAreNoneAreRefused() {
        for curve in [Curve.p256, .p384] {
            let point = curve.point(), size = (point.count - 1) / 2
            var off = point
            off[point.count - 1] ^= 1
            var swapped = point
            swapped.replaceSubrange(1..., with: point[(1 + size)...] + point[1...size])
            let x = Array(point[1...size])
            let tooLarge = [0x04] + [UInt8](repeating: 0xFF, count: 2 * size)
            let hostile: [[UInt8]] = [
                off, swapped, tooLarge, [0x04] + [UInt8](repeating: 0, count: 2 * size), [UInt8](repeating: 0, count: point.count),
                // At infinity, compressed, hybrid (SEC 1 §2.3.3), without its form.
                [0], [0x02] + x, [0x03] + x, [0x06] + point.dropFirst(), [0x07] + point.dropFirst(), Array(point.dropFirst()),
                // With the length of an uncompressed one.
                [0x02] + x + [UInt8](repeating: 0, count: size), [],
            ]
            for point in hostile {
                #expect(throws: CompositionError.self, "\(curve) \(point)") {
                    try take(ServerKeyExchangeTests.content(number: curve.number, point: point))
                }
            }
        }
    }

    @Test func everythingElseIsRefused() {
        let good = ServerKeyExchangeTests.content(.p256), point = Curve.p256.point()
        var hostile: [[UInt8]] = [
            [], Array(good.dropFirst()), Array(good.dropLast()), good + [0], [0] + good,
            // explicit_prime, explicit_char2, no type; the length of the point
            ServerKeyExchangeTests.content(type: 1, number: [0, 23], point: point),
            ServerKeyExchangeTests.content(type: 2, number: [0, 23], point: point),
            ServerKeyExchangeTests.content(type: 0, number: [0, 23], point: point),
            ServerKeyExchangeTests.content(number: [0, 23], length: 64, point: point),
            ServerKeyExchangeTests.content(number: [0, 23], length: 66, point: point),
            ServerKeyExchangeTests.content(number: [0, 23], length: 0, point: point),
            // The other curve's point.
            ServerKeyExchangeTests.content(number: [0, 24], point: point),
            ServerKeyExchangeTests.content(number: [0, 29], point: point),
            ServerKeyExchangeTests.content(number: [0, 23], point: Curve.x25519.point()),
            // One random only; secp521r1, x448, ffdhe2048; DHE with 2,048 bits.
            ServerKeyExchangeTests.content(randoms: [UInt8](repeating: 1, count: 32), number: [0, 23], point: point),
            ServerKeyExchangeTests.content(number: [0, 25], point: [4] + [UInt8](repeating: 1, count: 132)),
            ServerKeyExchangeTests.content(number: [0, 30], point: [UInt8](repeating: 1, count: 56)),
            ServerKeyExchangeTests.content(number: [1, 0], point: point), [UInt8](repeating: 1, count: 583),
            // Digests, and contents of TLS 1.3.
            [UInt8](repeating: 0xAB, count: 32), [UInt8](repeating: 0xAB, count: 48), [UInt8](repeating: 0xAB, count: 64),
            HandshakeTests.content(hash: 32), HandshakeTests.content(hash: 48),
            HandshakeTests.content(context: HandshakeTests.clientContext, hash: 32),
        ]
        // TLS 1.2's client signs all its messages, from ClientHello on (RFC 5246 §7.4.8).
        hostile.append([1, 0, 0, 96] + [UInt8](repeating: 3, count: 96))
        for content in hostile { #expect(throws: CompositionError.self, "\(content)") { try take(content) } }
    }

    // MARK: Contents with two meanings

    /// A content for X25519 that is also a CertificationRequestInfo (RFC 2986 §4.1) with this Ed25519 key: randoms and
    /// point are the caller's, and the four bytes between them are inside an attribute.
    static func ambiguousContent(_ spki: [UInt8]) -> [UInt8] {
        let info: [UInt8] = [0x30, 0x62, 0x02, 0x01, 0x00, 0x30, 0x00] + spki
        // attributes, Attribute, OID 1.2.3.4, SET, OCTET STRING
        let attribute: [UInt8] = [0xA0, 0x2F, 0x30, 0x2D, 0x06, 0x03, 0x2A, 0x03, 0x04, 0x31, 0x26, 0x04, 0x24]
        return info + attribute + [3, 0, 29, 32] + [UInt8](repeating: 9, count: 32)
    }

    /// Why Ed25519 keys do not sign for TLS 1.2: a signature over such a content is a certificate request's.
    @Test func anEd25519KeyWouldSignACertificateRequestInTLS12() throws {
        let secret = Curve25519.Signing.PrivateKey()
        let software = SoftwareKey.ed25519(secret)
        let content = ServerKeyExchangeTests.ambiguousContent(software.spki)
        #expect(content.count == 100)
        #expect(Array(content[64..<68]) == [3, 0, 29, 32])
        let signature = Array(try secret.signature(for: content))
        let request =
            [0x30, 0x81, UInt8(content.count + 7 + 67)] + content + [0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x41, 0x00] + signature
        let parsed = try CertificateSigningRequest(derEncoded: request)
        #expect(parsed.publicKey.isValidSignature(parsed.signature, for: parsed))
        for scheme in TLSSignatureScheme.allCases {
            #expect(throws: CompositionError.self, "\(scheme.rawValue)") { try take(content, scheme.rawValue) }
        }
        // The key is refused whatever the content.
        let key = try software.signingKey("web-1", .certificate)
        for scheme in TLSSignatureScheme.allCases where scheme.isFor(.serverKeyExchange) {
            let error = #expect(throws: CompositionError.self) {
                try SigningPlan.handshake(try take(ServerKeyExchangeTests.content(.x25519), scheme.rawValue), key: key)
            }
            #expect(error?.parameter == "key")
        }
    }

    /// A P-256 key in 2³² fits into a content for X25519, with its coordinates at the fixed bytes.
    @Test func aContentThatBeginsACertificateRequestIsRefusedForEveryKey() throws {
        let point = [UInt8](repeating: 7, count: 30) + [3, 0] + [29, 32] + [UInt8](repeating: 7, count: 30)
        let header = try SoftwareKey.make(.p256).spki.prefix(27)
        let content = [0x30, 0x62, 0x02, 0x01, 0x00, 0x30, 0x00] + header + point + [0xA0, 0x00]
        #expect(content.count == 100)
        #expect(throws: CompositionError.self) { try take(content) }
        for (curve, head) in zip(Curve.allCases, [[0x30, 0x62], [0x30, 0x81, 0x82], [0x30, 0x81, 0xA2]] as [[UInt8]]) {
            let start = head + [0x02, 0x01, 0x00, 0x30]
            let randoms = start + [UInt8](repeating: 1, count: 64 - start.count)
            #expect(throws: CompositionError.self) {
                try take(ServerKeyExchangeTests.content(randoms: randoms, number: curve.number, point: curve.point()))
            }
            // Nothing else about these contents is wrong.
            for index in start.indices {
                var other = randoms
                other[index] ^= 0x80
                _ = try take(ServerKeyExchangeTests.content(randoms: other, number: curve.number, point: curve.point()))
            }
        }
    }

    /// An SSH signature's blob (PROTOCOL.sshsig) with a namespace of eight bytes and, as one message in 2³² has, a SHA-512
    /// with the fixed bytes.
    @Test func aContentThatIsTheBlobOfAnSSHSignatureIsRefused() throws {
        func string(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, UInt8(bytes.count)] + bytes }
        let hash = [UInt8](repeating: 5, count: 28) + [3, 0, 29, 32] + [UInt8](repeating: 9, count: 32)
        let content = Array("SSHSIG".utf8) + string(Array("releases".utf8)) + string([]) + string(Array("sha512".utf8)) + string(hash)
        #expect(content.count == 100)
        #expect(throws: CompositionError.self) { try take(content) }
        for index in 0..<6 {
            var other = content
            other[index] ^= 0x80
            _ = try take(other)
        }
    }

    /// CMS's signed attributes (RFC 5652 §5.4) for any message: an attribute that nobody knows has the fixed bytes.
    @Test func aContentThatIsSignedAttributesIsRefused() throws {
        let pkcs9: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09]
        let contentType =
            [0x30, 0x18] + pkcs9 + [0x03, 0x31, 0x0B, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01] as [UInt8]
        let messageDigest = [0x30, 0x2F] + pkcs9 + [0x04, 0x31, 0x22, 0x04, 0x20] + [UInt8](repeating: 5, count: 32) as [UInt8]
        let other: [UInt8] =
            [0x30, 0x15, 0x06, 0x03, 0x2A, 0x03, 0x04, 0x31, 0x0E, 0x04, 0x0C, 1, 1] + [3, 0, 29, 32] + [UInt8](repeating: 1, count: 6)
        let content = [0x31, 0x62] + messageDigest + other + contentType
        #expect(content.count == 100)
        #expect(throws: CompositionError.self) { try take(content) }
        // Without one of the tags and lengths it is no SET of attributes any more.
        for index in [0, 1, 2, 3, 4, 51, 53] {
            var changed = content
            changed[index] ^= 0x40
            _ = try take(changed)
        }
        // The same with the longer contents, whose point is the end of an attribute.
        for curve in [Curve.p256, .p384] {
            let point = curve.point()
            var randoms = [0x31, 0x81, UInt8(64 + 4 + point.count - 3)] + contentType
            randoms += [0x30, 0x81, UInt8(64 + 4 + point.count - randoms.count - 3), 0x06, 0x03, 0x2A, 0x03, 0x04]
            randoms += [UInt8](repeating: 1, count: 64 - randoms.count)
            #expect(throws: CompositionError.self) {
                try take(ServerKeyExchangeTests.content(randoms: randoms, number: curve.number, point: point))
            }
            randoms[3] = 0x31
            _ = try take(ServerKeyExchangeTests.content(randoms: randoms, number: curve.number, point: point))
        }
    }
}

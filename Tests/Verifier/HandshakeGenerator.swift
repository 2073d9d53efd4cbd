/// Makes contents of handshakes, and contents that are valid in two grammars.
enum HandshakeGenerator {
    static func content(_ method: String, _ kind: PublicKey.Kind, _ random: inout Generator) -> ([UInt8], String) {
        let isTLS12 = method == "SignServerKeyExchange"
        let scheme: String
        switch kind {
        case .ed25519: scheme = "ed25519"
        case .p256 where !isTLS12: scheme = "ecdsa_secp256r1_sha256"
        case .p384 where !isTLS12: scheme = "ecdsa_secp384r1_sha384"
        case .p256, .p384: scheme = random.pick(["ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512"])
        case .rsa:
            scheme = (isTLS12 && random.chance(50) ? "rsa_pkcs1_" : "rsa_pss_rsae_") + random.pick(["sha256", "sha384", "sha512"])
        }
        return (isTLS12 ? serverKeyExchange(&random) : certificateVerify(method == "SignHandshake" ? "server" : "client", &random), scheme)
    }

    static func certificateVerify(_ side: String, _ random: inout Generator) -> [UInt8] {
        context("TLS 1.3, \(side) CertificateVerify", random.bytes(random.pick([32, 48])))
    }

    static func context(_ text: String, _ rest: [UInt8]) -> [UInt8] { [UInt8](repeating: 0x20, count: 64) + Array(text.utf8) + [0] + rest }

    static func serverKeyExchange(_ random: inout Generator) -> [UInt8] {
        var randoms = random.bytes(64)
        // Otherwise it might begin like a certificate request.
        randoms[0] = 0x6A
        return randoms + point(&random)
    }

    static func point(_ random: inout Generator) -> [UInt8] {
        switch random.below(3) {
        case 0: [3, 0, 29, 32] + random.bytes(32)
        case 1: [3, 0, 23, 65] + HandshakeMeaning.Curve.p256.point(random.next())
        default: [3, 0, 24, 97] + HandshakeMeaning.Curve.p384.point(random.next())
        }
    }

    /// Contents of a handshake that are valid in another grammar too.
    static func twofold(_ random: inout Generator) -> [UInt8] {
        switch random.below(3) {
        case 0: twofoldSSHSignature(&random)
        case 1: twofoldSignedAttributes(&random)
        default: certificationRequestInfo(&random)
        }
    }

    /// Contents of other grammars, and of a handshake and another at once.
    static func hostile(_ random: inout Generator) -> [UInt8] {
        let hash = random.bytes(32)
        switch random.below(16) {
        case 0: return context("TLS, server delegated credentials", random.bytes(50))
        case 1: return context("TLS, client delegated credentials", random.bytes(32))
        case 2: return context("Exported Authenticator", hash)
        case 3: return context("TLS 1.3, server CertificateVerify ", hash)
        case 4: return context("TLS 1.3, client CertificateVerify", random.bytes(random.pick([0, 20, 31, 33, 47, 49, 64])))
        case 5: return Array(context("TLS 1.3, server CertificateVerify", hash).dropFirst())
        case 6: return [0x20] + context("TLS 1.3, server CertificateVerify", hash)
        case 7:
            return sshSignature("file", "sha256", hash)
        case 8: return twofoldSSHSignature(&random)
        case 9: return signedAttributes([contentType, messageDigest(hash)])
        case 10: return twofoldSignedAttributes(&random)
        case 11: return certificationRequestInfo(&random)
        case 12:
            let header = Base64URL.encode(Array("{\"alg\":\"ES256\",\"nonce\":\"AAAA\",\"url\":\"https://ca.example/x\"}".utf8))
            return Array((header + ".e30").utf8)
        case 13: return random.bytes(64) + [3, 0, 23, 65, 4] + random.bytes(64)
        case 14: return random.bytes(64) + [random.pick([1, 2, 0]), 0, 23, 65] + HandshakeMeaning.Curve.p256.point(7)
        default:
            var content = random.chance(50) ? certificateVerify("server", &random) : serverKeyExchange(&random)
            let place = random.below(content.count - 1)
            if place < 64 || content.first != 0x20 { content[min(place, 68)] ^= 1 } else { content[max(64, min(place, 96))] ^= 1 }
            return random.chance(50) ? content : content + [0]
        }
    }

    static func sshSignature(_ namespace: String, _ algorithm: String, _ hash: [UInt8]) -> [UInt8] {
        func string(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, UInt8(bytes.count & 0xFF)] + bytes }
        return Array("SSHSIG".utf8) + string(Array(namespace.utf8)) + string([]) + string(Array(algorithm.utf8)) + string(hash)
    }

    /// A ServerKeyExchange for X25519 that is the blob of an SSH signature as well: with a namespace of eight letters and a
    /// message, one in 2³², whose SHA-512 has TLS's four fixed bytes.
    static func twofoldSSHSignature(_ random: inout Generator) -> [UInt8] {
        sshSignature("releases", "sha512", random.bytes(28) + [3, 0, 29, 32] + random.bytes(32))
    }

    static let contentType = DER.write(
        DER.sequence,
        DER.write(DER.objectIdentifier, DER.OID.contentType) + DER.write(DER.set, DER.write(DER.objectIdentifier, DER.OID.data)))

    static func messageDigest(_ hash: [UInt8]) -> [UInt8] {
        DER.write(
            DER.sequence, DER.write(DER.objectIdentifier, DER.OID.messageDigest) + DER.write(DER.set, DER.write(DER.octetString, hash)))
    }

    static func signedAttributes(_ attributes: [[UInt8]]) -> [UInt8] { DER.write(DER.set, attributes.flatMap { $0 }) }

    /// A ServerKeyExchange for X25519 that is CMS's signed attributes as well, for any message: an attribute that nobody
    /// knows has TLS's four fixed bytes.
    static func twofoldSignedAttributes(_ random: inout Generator) -> [UInt8] {
        let fixed = random.bytes(2) + [3, 0, 29, 32] + random.bytes(6)
        let other = DER.write(
            DER.sequence, DER.write(DER.objectIdentifier, [0x2A, 0x03, 0x04]) + DER.write(DER.set, DER.write(DER.octetString, fixed)))
        return signedAttributes([messageDigest(random.bytes(32)), other, contentType])
    }

    /// A ServerKeyExchange for X25519 that is a CertificationRequestInfo as well: 100 bytes, with TLS's four fixed bytes
    /// in an attribute (Docs/threat-model.md, "TLS 1.2 is weaker").
    static func certificationRequestInfo(_ random: inout Generator) -> [UInt8] {
        let key = DER.write(
            DER.sequence,
            DER.write(DER.sequence, DER.write(DER.objectIdentifier, DER.OID.ed25519)) + DER.write(DER.bitString, [0] + random.bytes(32)))
        // 30 62 | 02 01 00 | 30 00 | key: 44 | A0 47 …, so attributes begin at 51.
        let head: [UInt8] = [0x02, 0x01, 0x00, 0x30, 0x00] + key
        let rest = 98 - head.count - 2
        // An attribute whose value is an OCTET STRING to the end.
        let name = DER.write(DER.objectIdentifier, [0x2A, 0x03])
        let value = rest - 2 - name.count - 4
        var octets = random.bytes(value)
        let offset = 64 - (2 + head.count + 2 + 2 + name.count + 4)
        if offset >= 0, offset + 4 <= octets.count { octets.replaceSubrange(offset..<offset + 4, with: [3, 0, 29, 32]) }
        let attribute = DER.write(DER.sequence, name + DER.write(DER.set, DER.write(DER.octetString, octets)))
        return DER.write(DER.sequence, head + DER.write(0xA0, attribute))
    }
}

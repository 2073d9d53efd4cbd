import COpenSSL

/// What a content that a TLS key signs is, by its bytes alone (RFC 8446 section 4.4.3, RFC 5246 section 7.4.3, RFC 8422
/// section 5.4), and what else it could be.
enum HandshakeMeaning: Equatable {
    case serverCertificateVerify
    case clientCertificateVerify
    case serverKeyExchange
    /// A delegated credential (RFC 9345 section 4), an exported authenticator (RFC 9261 section 5.2.2), any other
    /// context.
    case otherContext(String)
    case certificateRequest
    /// The blob of a signature of OpenSSH (PROTOCOL.sshsig).
    case sshSignature
    /// The signed attributes of CMS (RFC 5652 section 5.4).
    case signedAttributes
    /// The signing input of a JWS (RFC 7515 section 5.1).
    case jws
    case unknown

    /// - Returns: All meanings: more than one is a content that is valid in two grammars.
    static func all(of content: [UInt8]) -> [HandshakeMeaning] {
        var result: [HandshakeMeaning] = []
        if content.count > 64, content[..<64].allSatisfy({ $0 == 0x20 }) {
            let rest = content[64...]
            if let zero = rest.firstIndex(of: 0) {
                let context = String(decoding: rest[..<zero], as: UTF8.self), hash = content.count - zero - 1
                switch context {
                case "TLS 1.3, server CertificateVerify" where hash == 32 || hash == 48: result.append(.serverCertificateVerify)
                case "TLS 1.3, client CertificateVerify" where hash == 32 || hash == 48: result.append(.clientCertificateVerify)
                default: result.append(.otherContext(context))
                }
            }
        }
        if isServerKeyExchange(content) { result.append(.serverKeyExchange) }
        if CertificateRequestMeaning.isInfo(content) { result.append(.certificateRequest) }
        if isSSHSignature(content) { result.append(.sshSignature) }
        if isSignedAttributes(content) { result.append(.signedAttributes) }
        if !content.isEmpty, content.allSatisfy({ (0x21...0x7E).contains($0) }), content.contains(UInt8(ascii: ".")) { result.append(.jws) }
        return result.isEmpty ? [.unknown] : result
    }

    /// Magic, namespace, a reserved string, the hash's name and the message's hash.
    private static func isSSHSignature(_ content: [UInt8]) -> Bool {
        guard content.starts(with: "SSHSIG".utf8) else { return false }
        var rest = content.dropFirst(6), strings: [[UInt8]] = []
        while !rest.isEmpty {
            guard rest.count >= 4 else { return false }
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard rest.count >= length else { return false }
            strings.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        guard strings.count == 4, !strings[0].isEmpty else { return false }
        return strings[2] == Array("sha256".utf8) && strings[3].count == 32 || strings[2] == Array("sha512".utf8) && strings[3].count == 64
    }

    /// A SET of attributes, among them contentType and messageDigest. A reader that keeps the order in which it read them
    /// takes them in any.
    private static func isSignedAttributes(_ content: [UInt8]) -> Bool {
        guard let attributes = DER.one(content, DER.set)?.parts else { return false }
        var found: Set<[UInt8]> = []
        for attribute in attributes {
            guard let parts = attribute.parts, parts.count == 2, parts[0].tag == DER.objectIdentifier, parts[1].tag == DER.set else {
                return false
            }
            found.insert(parts[0].content)
        }
        return found.isSuperset(of: [DER.OID.contentType, DER.OID.messageDigest])
    }

    private static func isServerKeyExchange(_ content: [UInt8]) -> Bool {
        guard content.count > 68, content[64] == 3, content[65] == 0, Int(content[67]) == content.count - 68 else { return false }
        let point = Array(content[68...])
        switch content[66] {
        case 29: return point.count == 32
        case 23: return point.count == 65 && Curve.p256.contains(point)
        case 24: return point.count == 97 && Curve.p384.contains(point)
        default: return false
        }
    }

    enum Curve {
        case p256, p384

        private var group: OpaquePointer? { EC_GROUP_new_by_curve_name(self == .p256 ? NID_X9_62_prime256v1 : NID_secp384r1) }

        /// Whether an uncompressed point is on the curve.
        func contains(_ bytes: [UInt8]) -> Bool {
            guard bytes.first == 4, let group, let point = EC_POINT_new(group) else { return false }
            defer {
                EC_POINT_free(point)
                EC_GROUP_free(group)
            }
            return EC_POINT_oct2point(group, point, bytes, bytes.count, nil) == 1 && EC_POINT_is_on_curve(group, point, nil) == 1
        }

        /// The base point, times a number.
        func point(_ number: UInt64) -> [UInt8] {
            guard let group, let point = EC_POINT_new(group), let scalar = BN_new() else { return [] }
            defer {
                EC_POINT_free(point)
                EC_GROUP_free(group)
                BN_free(scalar)
            }
            var bytes = [UInt8](repeating: 0, count: self == .p256 ? 65 : 97)
            guard BN_set_word(scalar, UInt(number | 1)) == 1, EC_POINT_mul(group, point, scalar, nil, nil, nil) == 1,
                EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, &bytes, bytes.count, nil) == bytes.count
            else { return [] }
            return bytes
        }
    }

    /// SignatureSchemes (RFC 8446 section 4.2.3) with the kind of key, the hash and the padding.
    static func scheme(_ name: String, isTLS12: Bool, _ kind: PublicKey.Kind) -> (PublicKey.Hash, PublicKey.Padding)? {
        let hashes: [(String, PublicKey.Hash)] = [("sha256", .sha256), ("sha384", .sha384), ("sha512", .sha512)]
        switch kind {
        case .ed25519: return !isTLS12 && name == "ed25519" ? (.sha512, .none) : nil
        case .p256 where !isTLS12: return name == "ecdsa_secp256r1_sha256" ? (.sha256, .none) : nil
        case .p384 where !isTLS12: return name == "ecdsa_secp384r1_sha384" ? (.sha384, .none) : nil
        case .p256, .p384:
            // In TLS 1.2 the name gives the hash and not the curve.
            let names = ["ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512"]
            return names.firstIndex(of: name).map { (hashes[$0].1, .none) }
        case .rsa:
            for (text, hash) in hashes {
                if name == "rsa_pss_rsae_" + text { return (hash, .pss) }
                if isTLS12, name == "rsa_pkcs1_" + text { return (hash, .pkcs1) }
            }
            return nil
        }
    }
}

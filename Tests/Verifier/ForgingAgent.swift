import COpenSSL

/// A P-256 key in memory, for signatures that the agent would never make.
final class SoftwareKey {
    let publicKey: PublicKey
    private let key: OpaquePointer

    init() throws(Finding) {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { throw Finding("no key could be made") }
        defer { EVP_PKEY_CTX_free(context) }
        var made: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
            EVP_PKEY_keygen(context, &made) == 1, let key = made
        else { throw Finding("no key could be made") }
        var bytes = [UInt8](repeating: 0, count: 256)
        let size = bytes.withUnsafeMutableBufferPointer { buffer in
            var end = buffer.baseAddress
            return i2d_PUBKEY(key, &end)
        }
        guard size > 0, let read = PublicKey(spki: Array(bytes.prefix(Int(size)))) else { throw Finding("a key could not be read") }
        publicKey = read
        self.key = key
    }

    deinit { EVP_PKEY_free(key) }

    /// ECDSA with SHA-256, in DER.
    func sign(_ message: [UInt8]) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { return [] }
        defer { EVP_MD_CTX_free(context) }
        var signature = [UInt8](repeating: 0, count: 128)
        var size = signature.count
        guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
            EVP_DigestSign(context, &signature, &size, message, message.count) == 1
        else { return [] }
        return Array(signature.prefix(size))
    }

    /// R and S side by side.
    func signJWS(_ message: [UInt8]) -> [UInt8] {
        let numbers = DER.one(sign(message), DER.sequence)?.parts ?? []
        return numbers.flatMap { number in
            let digits = Array(number.content.drop { $0 == 0 })
            return [UInt8](repeating: 0, count: max(0, 32 - digits.count)) + digits
        }
    }
}

/// Answers calls as the agent does, with keys in memory, and with whatever a test changes in what it signs.
struct ForgingAgent {
    let account: SoftwareKey
    let certificate: SoftwareKey
    /// What the protected header has in place of what was asked for.
    var header: [(String, JSON?)] = []
    /// The same for the payload.
    var payload: [(String, JSON?)] = []
    var names: [Name]?
    var signer: SoftwareKey?
    /// Attributes of the CSR after the first.
    var attributes: [UInt8] = []
    var subject: [UInt8] = []
    /// The message is changed after it was signed.
    var changesAfterwards = false

    init() throws(Finding) {
        account = try SoftwareKey()
        certificate = try SoftwareKey()
    }

    static let accountURL = "https://ca.example/acme/acct/123"

    func certificateRequest(_ asked: [Name]) -> [UInt8] {
        let list = (names ?? asked).flatMap { name in
            name.kind == .dns ? DER.write(0x82, Array(name.value.utf8)) : DER.write(0x87, Address.read(name.value) ?? [])
        }
        let san = DER.write(
            DER.sequence,
            DER.write(DER.objectIdentifier, DER.OID.subjectAlternativeName) + DER.write(DER.octetString, DER.write(DER.sequence, list)))
        let attribute = DER.write(
            DER.sequence,
            DER.write(DER.objectIdentifier, DER.OID.extensionRequest) + DER.write(DER.set, DER.write(DER.sequence, san)))
        let key = signer ?? certificate
        let info = DER.write(
            DER.sequence,
            [2, 1, 0] + DER.write(DER.sequence, subject) + key.publicKey.spki + DER.write(0xA0, attribute + attributes))
        let algorithm = DER.write(DER.sequence, DER.write(DER.objectIdentifier, DER.OID.ecdsaWithSHA256))
        return DER.write(DER.sequence, info + algorithm + DER.write(DER.bitString, [0] + key.sign(info)))
    }

    func request(_ call: Call, _ members: JSON) -> JSON {
        let key = signer ?? account
        var protected = JSON.members([
            ("alg", .string("ES256")), ("kid", call.parameters["account"]), ("nonce", call.parameters["nonce"]),
            ("url", call.parameters["url"]),
        ])
        for (name, value) in header { protected = protected.with(name, value) }
        var content = members
        for (name, value) in payload { content = content.with(name, value) }
        let first = Base64URL.encode(Array(protected.text().utf8))
        var second = Base64URL.encode(Array(content.text().utf8))
        let signature = Base64URL.encode(key.signJWS(Array("\(first).\(second)".utf8)))
        if changesAfterwards { second = Base64URL.encode(Array(content.with("profile", .string("short")).text().utf8)) }
        return .members([("protected", .string(first)), ("payload", .string(second)), ("signature", .string(signature))])
    }

    /// The reply to an order, a finalization, a deactivation or a handshake.
    func reply(_ call: Call) -> Reply {
        let asked: [Name] = (call.parameters["identifiers"]?.array ?? []).compactMap { item in
            guard case .valid(let name) = Name.read(type: item["type"]?.string ?? "", value: item["value"]?.string ?? "") else {
                return nil
            }
            return name
        }
        switch call.method {
        case "SignNewOrder":
            let list = (names ?? asked).map {
                JSON.members([("type", .string($0.kind.rawValue)), ("value", .string($0.value))])
            }
            return .parameters(.members([("request", request(call, .members([("identifiers", .array(list))])))]))
        case "SignFinalize":
            let csr = JSON.string(Base64URL.encode(certificateRequest(asked)))
            return .parameters(.members([("request", ForgingAgent.unchanged(self).request(call, .members([("csr", csr)]))), ("csr", csr)]))
        case "SignAuthorizationDeactivation":
            return .parameters(.members([("request", request(call, .members([("status", .string("deactivated"))])))]))
        case "SignCertificateRequest": return .parameters(.members([("csr", .string(Base64URL.encode(certificateRequest(asked))))]))
        default:
            let content = call.parameters["content"]?.string.flatMap { Base64URL.decode($0) } ?? []
            return .parameters(.members([("signature", .string(Base64URL.encode((signer ?? certificate).sign(content))))]))
        }
    }

    /// The same keys, with nothing changed in the JWS.
    private static func unchanged(_ agent: ForgingAgent) -> ForgingAgent {
        var other = agent
        other.signer = nil
        return other
    }
}

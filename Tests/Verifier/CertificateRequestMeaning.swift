/// What a PKCS#10 request (RFC 2986) asks of a CA, read from its DER alone.
struct CertificateRequestMeaning {
    var names: Set<Name>
    var mustStaple: Bool

    /// - Parameter key: The key whose certificate is asked for, and which must have signed.
    init(_ der: [UInt8], key: PublicKey) throws(Finding) {
        guard let parts = DER.one(der, DER.sequence)?.parts, parts.count == 3, parts[2].tag == DER.bitString,
            parts[2].content.first == 0, let algorithm = parts[1].parts, let name = algorithm.first
        else { throw Finding("the CSR is not the DER of RFC 2986 section 4.2") }
        let signature = Array(parts[2].content.dropFirst()), info = parts[0].whole
        let isGood =
            switch (key.kind, name.content) {
            case (.p256, DER.OID.ecdsaWithSHA256): key.verifies(signature, of: info, .sha256)
            case (.p384, DER.OID.ecdsaWithSHA384): key.verifies(signature, of: info, .sha384)
            case (.rsa, DER.OID.sha256WithRSA): key.verifies(signature, of: info, .sha256, .pkcs1)
            case (.ed25519, DER.OID.ed25519): key.verifies(signature, of: info, .sha512)
            default: false
            }
        guard isGood else { throw Finding("the CSR's signature is not the key's, or its algorithm is not") }
        guard let fields = parts[0].parts, fields.count == 4, fields[0].tag == DER.integer, fields[0].content == [0],
            fields[1].tag == DER.sequence, fields[3].tag == 0xA0
        else { throw Finding("the CSR is not the CertificationRequestInfo of RFC 2986 section 4.1") }
        guard fields[1].content.isEmpty else { throw Finding("the CSR has a subject") }
        guard fields[2].whole == key.spki else { throw Finding("the CSR is for another key") }
        names = []
        mustStaple = false
        guard let attributes = fields[3].parts, attributes.count == 1, let attribute = attributes[0].parts, attribute.count == 2,
            attribute[0].content == DER.OID.extensionRequest, let values = attribute[1].parts, values.count == 1,
            let extensions = values[0].parts
        else { throw Finding("the CSR has other attributes than one extensionRequest") }
        for one in extensions {
            guard let parts = one.parts, (2...3).contains(parts.count), let value = parts.last, value.tag == DER.octetString else {
                throw Finding("an extension of the CSR is not that of RFC 5280 section 4.1")
            }
            switch parts[0].content {
            case DER.OID.subjectAlternativeName where names.isEmpty:
                guard let list = DER.one(value.content, DER.sequence)?.parts, !list.isEmpty else {
                    throw Finding("the CSR's SAN is not DER")
                }
                for item in list { names.insert(try CertificateRequestMeaning.name(item)) }
                guard names.count == list.count else { throw Finding("the CSR has a name twice") }
            case DER.OID.tlsFeature where !mustStaple && value.content == [0x30, 0x03, 0x02, 0x01, 0x05]: mustStaple = true
            default: throw Finding("the CSR has another extension, or one twice")
            }
        }
        guard !names.isEmpty else { throw Finding("the CSR has no name") }
    }

    /// GeneralName, RFC 5280 section 4.2.1.6: dNSName is [2], iPAddress is [7].
    private static func name(_ item: DER) throws(Finding) -> Name {
        switch item.tag {
        case 0x82: return Name(kind: .dns, value: String(decoding: item.content, as: UTF8.self))
        case 0x87 where item.content.count == 4 || item.content.count == 16:
            return Name(kind: .ip, value: Address.text(item.content))
        default: throw Finding("the CSR has a name of another kind: tag \(item.tag)")
        }
    }

    /// Whether the bytes, as they are, could be the part of a CSR that its key signs.
    static func isInfo(_ bytes: [UInt8]) -> Bool {
        guard let fields = DER.one(bytes, DER.sequence)?.parts, (3...4).contains(fields.count) else { return false }
        return fields[0].tag == DER.integer && fields[1].tag == DER.sequence && fields[2].tag == DER.sequence
    }
}

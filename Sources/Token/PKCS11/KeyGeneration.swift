import CPKCS11

extension Session {
    /// Makes a key pair in the token: private, sensitive, not extractable, for signing only. Reads the attributes back and destroys
    /// the pair if the token did otherwise. The session must be read/write; callers make one key at a time (SoftHSM #573).
    ///
    /// Throws `keyNotProtected`, `severalKeys` if id and label are taken, `unsupported` if the token has no such mechanism, or the failed
    /// call.
    /// - Parameter isIDUnique: No object has this id, for example because it is made of 16 random bytes: nothing is searched for, which
    ///   would take a third of a second among 10,000 keys of SoftHSM.
    public func generateKeyPair(
        _ type: KeyType, id: [UInt8], label: [UInt8], isIDUnique: Bool = false
    ) throws(PKCS11Error) -> KeyObject {
        if case .rsa(let bits) = type, ![2048, 3072, 4096].contains(bits) {
            throw .unsupported(reason: "an RSA key of \(bits) bits is not made here")
        }
        // CloudHSM refuses a label that is taken, other tokens would make a pair that is never found again.
        if !isIDUnique {
            guard try objects(of: CKO_PRIVATE_KEY, id: id, label: label, atMost: 1).isEmpty else { throw .severalKeys(count: 2) }
        }

        let (publicKey, privateKey) = try generate(type, id: id, label: label)
        do throws(PKCS11Error) {
            forbidOtherUses(of: privateKey)
            try checkProtection(of: privateKey)
            // Not by a search: that one reads every object of the token.
            var privateReader = PrivateKeyReader()
            var publicReader = PublicKeyReader()
            let key = try privateReader.read(privateKey, session: self).object(publicKey: publicReader.read(publicKey, session: self))
            guard key.id == id, key.label == label else { throw .keyNotProtected(attribute: "CKA_ID or CKA_LABEL") }
            guard key.type == type else { throw .keyNotProtected(attribute: "CKA_KEY_TYPE") }
            return key
        } catch {
            _ = module.functions.C_DestroyObject?(handle, privateKey)
            _ = module.functions.C_DestroyObject?(handle, publicKey)
            throw error
        }
    }

    private func generate(
        _ type: KeyType, id: [UInt8], label: [UInt8]
    ) throws(PKCS11Error) -> (publicKey: CK_OBJECT_HANDLE, privateKey: CK_OBJECT_HANDLE) {
        let generateKeyPair = try module.call("C_GenerateKeyPair", module.functions.C_GenerateKeyPair)
        var failure = PKCS11Error.call("C_GenerateKeyPair", CKR_FUNCTION_FAILED)
        for parameters in type.parameters {
            // Tokens differ in what they let a template say (nShield, Google KMS): if everything is too much, say only what protects
            // the key, and let the check afterwards decide.
            for isMinimal in [false, true] {
                let publicTemplate = publicKeyTemplate(type, id: id, label: label, parameters: parameters)
                let privateTemplate = privateKeyTemplate(id: id, label: label, isMinimal: isMinimal)
                var publicKey: CK_OBJECT_HANDLE = 0
                var privateKey: CK_OBJECT_HANDLE = 0
                var mechanism = CK_MECHANISM(mechanism: type.generationMechanism, pParameter: nil, ulParameterLen: 0)
                let returned = publicTemplate.withAttributes { publicAttributes, publicCount in
                    privateTemplate.withAttributes { privateAttributes, privateCount in
                        generateKeyPair(
                            handle, &mechanism, publicAttributes, publicCount, privateAttributes, privateCount, &publicKey, &privateKey)
                    }
                }
                switch returned {
                case CKR_OK:
                    return (publicKey, privateKey)
                case CKR_MECHANISM_INVALID:
                    throw .unsupported(reason: "the token cannot make such a key")
                case CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY,
                    CKR_TEMPLATE_INCOMPLETE, CKR_DOMAIN_PARAMS_INVALID, CKR_CURVE_NOT_SUPPORTED:
                    failure = .call("C_GenerateKeyPair", returned)
                case CKR_GENERAL_ERROR where type == .ed25519 && parameters != type.parameters.last:
                    // What SoftHSM says about a form of the parameters that it does not know.
                    failure = .call("C_GenerateKeyPair", returned)
                default:
                    throw .call("C_GenerateKeyPair", returned)
                }
            }
        }
        throw failure
    }

    private func publicKeyTemplate(_ type: KeyType, id: [UInt8], label: [UInt8], parameters: [UInt8]) -> AttributeTemplate {
        var template = AttributeTemplate()
        template.add(CKA_TOKEN, true)
        template.add(CKA_PRIVATE, false)
        template.add(CKA_VERIFY, true)
        template.add(CKA_ID, id)
        template.add(CKA_LABEL, label)
        if case .rsa(let bits) = type {
            template.add(CKA_MODULUS_BITS, CK_ULONG(bits))
            template.add(CKA_PUBLIC_EXPONENT, [0x01, 0x00, 0x01])
        } else {
            template.add(CKA_EC_PARAMS, parameters)
        }
        return template
    }

    private func privateKeyTemplate(id: [UInt8], label: [UInt8], isMinimal: Bool) -> AttributeTemplate {
        var template = AttributeTemplate()
        template.add(CKA_TOKEN, true)
        template.add(CKA_PRIVATE, true)
        template.add(CKA_SENSITIVE, true)
        template.add(CKA_EXTRACTABLE, false)
        template.add(CKA_SIGN, true)
        template.add(CKA_ID, id)
        template.add(CKA_LABEL, label)
        if !isMinimal {
            template.add(CKA_DECRYPT, false)
            template.add(CKA_UNWRAP, false)
            template.add(CKA_DERIVE, false)
        }
        return template
    }

    /// What a smaller template left to the token's defaults (SoftHSM's are true) is set afterwards. Whether that worked is for the
    /// check to say.
    private func forbidOtherUses(of key: CK_OBJECT_HANDLE) {
        var reader = AttributeReader(Self.forbiddenUses.map { ($0.type, 1) })
        guard let setAttributeValue = module.functions.C_SetAttributeValue, (try? reader.read(key, session: self)) != nil else { return }
        for (index, use) in Self.forbiddenUses.enumerated() where reader.bool(index) == true {
            var template = AttributeTemplate()
            template.add(use.type, false)
            _ = template.withAttributes { setAttributeValue(handle, key, $0, $1) }
        }
    }

    private static let forbiddenUses: [(type: CK_ATTRIBUTE_TYPE, name: String)] = [
        (CKA_DECRYPT, "CKA_DECRYPT"), (CKA_UNWRAP, "CKA_UNWRAP"), (CKA_DERIVE, "CKA_DERIVE"),
    ]

    /// The token must say that the key is sensitive and not extractable; the other uses it may leave unsaid, but not allow.
    private func checkProtection(of key: CK_OBJECT_HANDLE) throws(PKCS11Error) {
        let required: [(CK_ATTRIBUTE_TYPE, String, Bool)] = [
            (CKA_SENSITIVE, "CKA_SENSITIVE", true), (CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false), (CKA_TOKEN, "CKA_TOKEN", true),
        ]
        var reader = AttributeReader(required.map { ($0.0, 1) } + Self.forbiddenUses.map { ($0.type, 1) })
        try reader.read(key, session: self)
        for (index, item) in required.enumerated() where reader.bool(index) != item.2 {
            throw .keyNotProtected(attribute: item.1)
        }
        for (index, use) in Self.forbiddenUses.enumerated() where reader.bool(required.count + index) == true {
            throw .keyNotProtected(attribute: use.name)
        }
    }

    /// Destroys a key pair: the private key, then the public key objects with its id, label and public key.
    public func destroy(_ key: KeyObject) throws(PKCS11Error) {
        let found = try keyPair(id: key.id, label: key.label)
        try destroy(key.handle, found.publicObjects)
    }

    /// Destroys the one key pair with this id and label if its public half is `spki`.
    /// - Returns: Whether it was.
    public func destroyKey(id: [UInt8], label: [UInt8], spki: [UInt8]) throws(PKCS11Error) -> Bool {
        let found = try keyPair(id: id, label: label)
        guard found.key.spki == spki else { return false }
        try destroy(found.key.handle, found.publicObjects)
        return true
    }

    private func destroy(_ privateKey: CK_OBJECT_HANDLE, _ publicKeys: [CK_OBJECT_HANDLE]) throws(PKCS11Error) {
        let destroyObject = try module.call("C_DestroyObject", module.functions.C_DestroyObject)
        let returned = destroyObject(handle, privateKey)
        guard returned == CKR_OK else { throw .call("C_DestroyObject", returned) }
        // The private key is gone, which is what counts: a public object that stays is litter and no error.
        for publicKey in publicKeys { _ = destroyObject(handle, publicKey) }
    }
}

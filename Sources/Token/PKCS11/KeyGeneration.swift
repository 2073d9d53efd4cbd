import CPKCS11

extension Session {
    /// Makes a key pair in the token: private, sensitive, not extractable, for signing only. Reads the attributes back
    /// and destroys the pair if the token set others. The session must be read/write; callers make one key at a time
    /// (SoftHSM #573).
    ///
    /// Throws `keyNotProtected`, `severalKeys` if id and label are taken, `unsupported` if the token has no such
    /// mechanism, or the failed call. After any error the pair, or half of it, may be in the token: `settleKeyPair`
    /// finds it.
    /// - Parameters:
    ///   - isIDUnique: No other object has this id, for example because it is 16 random bytes. This saves a search,
    ///     which takes SoftHSM a third of a second among 10,000 keys.
    ///   - needsLogin: As in `settleKeyPair`.
    public func generateKeyPair(
        _ type: KeyType, id: [UInt8], label: [UInt8], isIDUnique: Bool = false, needsLogin: Bool = true
    ) throws(PKCS11Error) -> KeyObject {
        if case .rsa(let bits) = type, ![2048, 3072, 4096].contains(bits) {
            throw .unsupported(reason: "the agent does not make RSA keys of \(bits) bits")
        }
        // CloudHSM refuses a label that is taken; other tokens would make a pair that cannot be found again.
        if !isIDUnique {
            guard try objects(of: CKO_PRIVATE_KEY, id: id, label: label, atMost: 1).isEmpty else { throw .severalKeys(count: 2) }
        }
        var failure = PKCS11Error.call("C_GenerateKeyPair", CKR_FUNCTION_FAILED)
        for parameters in type.parameters {
            for extent in TemplateExtent.allCases {
                let answer = try generate(type, id: id, label: label, parameters: parameters, extent)
                switch answer.returned {
                case CKR_OK:
                    return try checked(type, id: id, label: label, publicKey: answer.publicKey, privateKey: answer.privateKey)
                case CKR_MECHANISM_INVALID:
                    throw .unsupported(reason: "the token cannot make such a key")
                case CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY,
                    CKR_TEMPLATE_INCOMPLETE, CKR_DOMAIN_PARAMS_INVALID, CKR_CURVE_NOT_SUPPORTED:
                    failure = .call("C_GenerateKeyPair", answer.returned)
                case CKR_GENERAL_ERROR where isIDUnique || type == .ed25519 && parameters != type.parameters.last:
                    // The answer of tpm2-pkcs11 to a template that forbids CKA_DECRYPT, and SoftHSM's to a form of Ed25519's
                    // parameters that it does not know.
                    failure = .call("C_GenerateKeyPair", answer.returned)
                default:
                    throw .call("C_GenerateKeyPair", answer.returned)
                }
                // The token may have made the pair and still report a failure: do not ask for a second pair with this
                // id.
                guard isIDUnique else { continue }
                if let key = try settleKeyPair(id: id, label: label, type: type, needsLogin: needsLogin) { return key }
            }
        }
        throw failure
    }

    /// Tokens differ in what a template may contain (nShield, Google KMS). If the token refuses everything, ask for
    /// less, and in the end only for what protects the key. The check afterwards decides.
    private enum TemplateExtent: CaseIterable { case everything, usual, minimal }

    private func generate(
        _ type: KeyType, id: [UInt8], label: [UInt8], parameters: [UInt8], _ extent: TemplateExtent
    ) throws(PKCS11Error) -> (returned: CK_RV, publicKey: CK_OBJECT_HANDLE, privateKey: CK_OBJECT_HANDLE) {
        let generateKeyPair = try module.call("C_GenerateKeyPair", module.functions.C_GenerateKeyPair)
        let publicTemplate = publicKeyTemplate(type, id: id, label: label, parameters: parameters)
        let privateTemplate = privateKeyTemplate(id: id, label: label, extent)
        var publicKey: CK_OBJECT_HANDLE = 0
        var privateKey: CK_OBJECT_HANDLE = 0
        var mechanism = CK_MECHANISM(mechanism: type.generationMechanism, pParameter: nil, ulParameterLen: 0)
        let returned = publicTemplate.withAttributes { publicAttributes, publicCount in
            privateTemplate.withAttributes { privateAttributes, privateCount in
                generateKeyPair(
                    handle, &mechanism, publicAttributes, publicCount, privateAttributes, privateCount, &publicKey, &privateKey)
            }
        }
        return (returned, publicKey, privateKey)
    }

    /// The pair just made, if it has the attributes that were asked for; otherwise it is destroyed.
    private func checked(
        _ type: KeyType, id: [UInt8], label: [UInt8], publicKey: CK_OBJECT_HANDLE, privateKey: CK_OBJECT_HANDLE
    ) throws(PKCS11Error) -> KeyObject {
        do throws(PKCS11Error) {
            try protect(privateKey)
            // Not by a search, which reads every object of the token.
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

    // MARK: After an interrupted generation

    /// The pair that an interrupted or failed generation left, if it is whole and protected. Half pairs, duplicates and
    /// pairs with other attributes are destroyed; then the result is nil. Both only as far as the token shows its
    /// objects.
    ///
    /// Objects with this id *and* label are taken for those of the generation, so nothing else may have this id.
    /// - Parameters:
    ///   - type: The type that was to be made; nil if it is no longer known.
    ///   - needsLogin: The token shows its private keys only after a login. Without one the search proves nothing, and
    ///     CKR_USER_NOT_LOGGED_IN is thrown.
    public func settleKeyPair(id: [UInt8], label: [UInt8], type: KeyType?, needsLogin: Bool) throws(PKCS11Error) -> KeyObject? {
        let found = try objects(of: nil, id: id, label: label)
        // After the search, so that a login lost meanwhile is noticed, and before anything is destroyed.
        if needsLogin { try requireLogin() }
        var privateKeys: [CK_OBJECT_HANDLE] = []
        var publicKeys: [CK_OBJECT_HANDLE] = []
        var reader = AttributeReader([(CKA_CLASS, MemoryLayout<CK_OBJECT_CLASS>.size)])
        for object in found {
            try reader.read(object, session: self)
            switch reader.number(0) {
            case CKO_PRIVATE_KEY: privateKeys.append(object)
            case CKO_PUBLIC_KEY: publicKeys.append(object)
            default: break
            }
        }
        if privateKeys.count == 1, publicKeys.count == 1, let key = try wholePair(privateKeys[0], publicKeys[0], type) { return key }
        for object in privateKeys + publicKeys { try destroyObject(object) }
        return nil
    }

    /// The pair, or nil if its attributes are wrong. Throws errors that say nothing about the pair.
    private func wholePair(
        _ privateKey: CK_OBJECT_HANDLE, _ publicKey: CK_OBJECT_HANDLE, _ type: KeyType?
    ) throws(PKCS11Error) -> KeyObject? {
        do throws(PKCS11Error) {
            try protect(privateKey)
            var privateReader = PrivateKeyReader()
            var publicReader = PublicKeyReader()
            let own = try privateReader.read(privateKey, session: self), half = try publicReader.read(publicKey, session: self)
            guard try own.counterpart(among: [half]).spki == half.spki, type == nil || half.type == type else { return nil }
            return own.object(publicKey: half)
        } catch {
            if let call = error.cryptoki, Recovery(for: call.returnValue) != .none { throw error }
            return nil
        }
    }

    private func destroyObject(_ object: CK_OBJECT_HANDLE) throws(PKCS11Error) {
        let destroy = try module.call("C_DestroyObject", module.functions.C_DestroyObject)
        let returned = destroy(handle, object)
        guard returned == CKR_OK || returned == CKR_OBJECT_HANDLE_INVALID else { throw .call("C_DestroyObject", returned) }
    }

    // MARK: Templates

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

    private func privateKeyTemplate(id: [UInt8], label: [UInt8], _ extent: TemplateExtent) -> AttributeTemplate {
        var template = AttributeTemplate()
        template.add(CKA_TOKEN, true)
        template.add(CKA_PRIVATE, true)
        template.add(CKA_SENSITIVE, true)
        template.add(CKA_EXTRACTABLE, false)
        template.add(CKA_SIGN, true)
        template.add(CKA_ID, id)
        template.add(CKA_LABEL, label)
        if extent != .minimal {
            template.add(CKA_DECRYPT, false)
            template.add(CKA_UNWRAP, false)
            template.add(CKA_DERIVE, false)
        }
        if extent == .everything { template.add(CKA_SIGN_RECOVER, false) }
        return template
    }

    /// Makes sure that the key has the attributes that were asked for. Throws `keyNotProtected` if the token does not set
    /// them, or the failed call.
    private func protect(_ key: CK_OBJECT_HANDLE) throws(PKCS11Error) {
        let failure = forbidOtherUses(of: key)
        do throws(PKCS11Error) {
            try checkProtection(of: key)
        } catch {
            // The token may have nothing against the attribute, and have failed otherwise.
            guard case .keyNotProtected = error, let failure else { throw error }
            throw failure
        }
    }

    /// A smaller template leaves these uses to the token's defaults (true in SoftHSM), so forbid them afterwards.
    /// `checkProtection` finds out whether that worked, except for CKA_SIGN_RECOVER.
    /// - Returns: A failure that says nothing about the attributes.
    private func forbidOtherUses(of key: CK_OBJECT_HANDLE) -> PKCS11Error? {
        let unwanted = Self.forbiddenUses.map(\.type) + [CKA_SIGN_RECOVER]
        var reader = AttributeReader(unwanted.map { ($0, 1) })
        guard let setAttributeValue = module.functions.C_SetAttributeValue, (try? reader.read(key, session: self)) != nil else {
            return nil
        }
        var failure: PKCS11Error?
        for (index, use) in unwanted.enumerated() where reader.bool(index) == true {
            var template = AttributeTemplate()
            template.add(use, false)
            let returned = template.withAttributes { setAttributeValue(handle, key, $0, $1) }
            switch returned {
            case CKR_OK, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCONSISTENT,
                CKR_ACTION_PROHIBITED, CKR_FUNCTION_NOT_SUPPORTED:
                break
            default: failure = .call("C_SetAttributeValue", returned)
            }
        }
        return failure
    }

    private static let forbiddenUses: [(type: CK_ATTRIBUTE_TYPE, name: String)] = [
        (CKA_DECRYPT, "CKA_DECRYPT"), (CKA_UNWRAP, "CKA_UNWRAP"), (CKA_DERIVE, "CKA_DERIVE"),
    ]

    /// The token must state that it stores the key, and that the key is sensitive and not extractable. It may leave the
    /// other uses unstated, but must not allow them.
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
}

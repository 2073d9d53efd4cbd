import CPKCS11

extension Session {
    /// Signs `input`, a digest or for Ed25519 the message. Two calls into the module, nothing else. With
    /// CKA_ALWAYS_AUTHENTICATE `authenticate` logs in (CKU_CONTEXT_SPECIFIC) between them, with nothing in between, on
    /// this session (OpenSC #1071).
    ///
    /// Throws `unsupported` if key, scheme and input do not fit, `signatureLength` if the token's answer has the wrong
    /// length, what `authenticate` throws, or the failed call. After a failure the session may be left with an active
    /// operation: it answers the next C_SignInit with CKR_OPERATION_ACTIVE, whose recovery is a new session.
    public func sign(
        _ input: [UInt8], with key: KeyObject, _ scheme: SignatureScheme,
        authenticate: (Session) throws(PKCS11Error) -> Void
    ) throws(PKCS11Error) -> [UInt8] {
        guard scheme.accepts(key.type, inputLength: input.count) else {
            throw .unsupported(reason: "the key does not sign this way, or the input has the wrong length")
        }
        let initialised: CK_RV
        switch scheme {
        case .ecdsa:
            initialised = try signInit(CKM_ECDSA, parameter: nil, length: 0, key: key.handle)
        case .ed25519:
            initialised = try signInit(CKM_EDDSA, parameter: nil, length: 0, key: key.handle)
        case .rsaPKCS1:
            initialised = try signInit(CKM_RSA_PKCS, parameter: nil, length: 0, key: key.handle)
        case .rsaPSS(let digest):
            var parameters = CK_RSA_PKCS_PSS_PARAMS(
                hashAlg: digest.mechanism, mgf: digest.maskGeneration, sLen: CK_ULONG(digest.length))
            initialised = try signInit(
                CKM_RSA_PKCS_PSS, parameter: &parameters, length: MemoryLayout<CK_RSA_PKCS_PSS_PARAMS>.size, key: key.handle)
        }
        guard initialised == CKR_OK else { throw .call("C_SignInit", initialised) }
        if key.alwaysAuthenticate { try authenticate(self) }
        if case .rsaPKCS1(let digest) = scheme {
            return try sign(digest.digestInfoPrefix + input, length: key.type.signatureLength)
        }
        return try sign(input, length: key.type.signatureLength)
    }

    private func signInit(
        _ type: CK_MECHANISM_TYPE, parameter: UnsafeMutableRawPointer?, length: Int, key: CK_OBJECT_HANDLE
    ) throws(PKCS11Error) -> CK_RV {
        let signInit = try module.call("C_SignInit", module.functions.C_SignInit)
        var mechanism = CK_MECHANISM(mechanism: type, pParameter: parameter, ulParameterLen: CK_ULONG(length))
        return signInit(handle, &mechanism, key)
    }

    private func sign(_ data: [UInt8], length: Int) throws(PKCS11Error) -> [UInt8] {
        let sign = try module.call("C_Sign", module.functions.C_Sign)
        var returned: CK_RV = CKR_OK
        var written: CK_ULONG = 0
        let signature = [UInt8](unsafeUninitializedCapacity: length) { output, count in
            // Cryptoki does not write to the input; its C types cannot say so.
            data.withUnsafeBufferPointer { data in
                written = CK_ULONG(output.count)
                returned = sign(
                    handle, UnsafeMutablePointer(mutating: data.baseAddress), CK_ULONG(data.count), output.baseAddress, &written)
            }
            count = returned == CKR_OK ? min(Int(clamping: written), length) : 0
        }
        if returned == CKR_BUFFER_TOO_SMALL { throw .signatureLength(expected: length, actual: Int(clamping: written)) }
        guard returned == CKR_OK else { throw .call("C_Sign", returned) }
        guard written == CK_ULONG(length) else { throw .signatureLength(expected: length, actual: Int(clamping: written)) }
        return signature
    }
}

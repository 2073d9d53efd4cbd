import CPKCS11

extension Session {
    /// Destroys a key pair: the private key, then the public key objects with its id, label and public key.
    public func destroy(_ key: KeyObject) throws(PKCS11Error) {
        let found = try keyPair(id: key.id, label: key.label)
        try destroy(key.handle, found.publicObjects, id: key.id, label: key.label)
    }

    /// Destroys the one key pair with this id and label if its public half is `spki`. A missing private key is no
    /// error: the public object that an interrupted destruction left behind is destroyed.
    /// - Parameter needsLogin: The token shows its private keys only after a login. Without one the search proves
    ///   nothing, and CKR_USER_NOT_LOGGED_IN is thrown.
    /// - Returns: False if the key with this id and label is another one.
    public func destroyKey(id: [UInt8], label: [UInt8], spki: [UInt8], needsLogin: Bool) throws(PKCS11Error) -> Bool {
        let found: (key: KeyObject, publicObjects: [CK_OBJECT_HANDLE])
        do throws(PKCS11Error) {
            found = try keyPair(id: id, label: label)
        } catch .noKey {
            if needsLogin { try requireLogin() }
            destroyPublicObjects(id: id, label: label, spki: spki)
            return true
        }
        guard found.key.spki == spki else { return false }
        try destroy(found.key.handle, found.publicObjects, id: id, label: label)
        return true
    }

    private func destroy(
        _ privateKey: CK_OBJECT_HANDLE, _ publicKeys: [CK_OBJECT_HANDLE], id: [UInt8], label: [UInt8]
    ) throws(PKCS11Error) {
        let destroyObject = try module.call("C_DestroyObject", module.functions.C_DestroyObject)
        let returned = destroyObject(handle, privateKey)
        // The token may have destroyed the key and still report a failure.
        guard returned == CKR_OK || isGone(privateKey, id: id, label: label) else { throw .call("C_DestroyObject", returned) }
        // Only the private key counts: a public object that remains is litter, not an error.
        for publicKey in publicKeys { _ = destroyObject(handle, publicKey) }
    }

    /// Whether a successful search in a logged-in session no longer finds a private key with this id and label.
    private func isGone(_ privateKey: CK_OBJECT_HANDLE, id: [UInt8], label: [UInt8]) -> Bool {
        guard let left = try? objects(of: CKO_PRIVATE_KEY, id: id, label: label, atMost: 1) else { return false }
        return left.isEmpty && (try? isLoggedIn()) == true
    }

    private func destroyPublicObjects(id: [UInt8], label: [UInt8], spki: [UInt8]) {
        guard !id.isEmpty, let objects = try? objects(of: CKO_PUBLIC_KEY, id: id, label: label) else { return }
        var reader = PublicKeyReader()
        for object in objects where (try? reader.read(object, session: self))?.spki == spki {
            _ = module.functions.C_DestroyObject?(handle, object)
        }
    }
}

import CPKCS11

extension Session {
    /// The one private key with this id and label, and its public half. Throws `noKey` and `severalKeys`; never guesses.
    public func key(id: [UInt8], label: [UInt8]) throws(PKCS11Error) -> KeyObject {
        let handles = try objects(of: CKO_PRIVATE_KEY, id: id, label: label, atMost: 2)
        guard let handle = handles.first else { throw .noKey }
        guard handles.count == 1 else { throw .severalKeys(count: try objects(of: CKO_PRIVATE_KEY, id: id, label: label).count) }
        var reader = PrivateKeyReader()
        let attributes = try reader.read(handle, session: self)
        return attributes.object(publicKey: try publicKey(of: attributes))
    }

    /// The private keys that `uri` names by its `id` and `object` attributes, as in `keys()`. Throws `invalidURI` if its `type` is
    /// another one.
    public func keys(matching uri: TokenURI) throws(PKCS11Error) -> [KeyObject] {
        if let objectClass = uri.objectClass, objectClass != CKO_PRIVATE_KEY {
            throw .invalidURI(reason: "its type is not private")
        }
        return try keys(id: uri.objectID, label: uri.objectLabel)
    }

    /// The public half of a private key: the public key object with its id and label; else what the private object itself tells.
    private func publicKey(of attributes: PrivateKeyAttributes) throws(PKCS11Error) -> PublicKeyAttributes {
        var reader = PublicKeyReader()
        var candidates: [PublicKeyAttributes] = []
        if !attributes.id.isEmpty {
            for handle in try objects(of: CKO_PUBLIC_KEY, id: attributes.id, label: nil, atMost: Self.mostPublicKeys) {
                if let key = try? reader.read(handle, session: self) { candidates.append(key) }
            }
        }
        return try attributes.counterpart(among: candidates)
    }

    /// Every private key of the token whose public half can be read, in the order of the token. A token may hold thousands, and keys
    /// that are not ours: those whose public half is missing or ambiguous are left out.
    public func keys() throws(PKCS11Error) -> [KeyObject] { try keys(id: nil, label: nil) }

    private func keys(id: [UInt8]?, label: [UInt8]?) throws(PKCS11Error) -> [KeyObject] {
        var publicKeys: [[UInt8]: [PublicKeyAttributes]] = [:]
        var publicReader = PublicKeyReader()
        for handle in try objects(of: CKO_PUBLIC_KEY, id: id, label: nil) {
            guard let key = try skippingUnreadable({ () throws(PKCS11Error) in try publicReader.read(handle, session: self) }) else {
                continue
            }
            publicKeys[key.id, default: []].append(key)
        }
        var keys: [KeyObject] = []
        var privateReader = PrivateKeyReader()
        for handle in try objects(of: CKO_PRIVATE_KEY, id: id, label: label) {
            let found = try skippingUnreadable { () throws(PKCS11Error) in
                let attributes = try privateReader.read(handle, session: self)
                return attributes.object(
                    publicKey: try attributes.counterpart(among: attributes.id.isEmpty ? [] : publicKeys[attributes.id] ?? []))
            }
            if let found { keys.append(found) }
        }
        return keys
    }

    private func skippingUnreadable<Value>(_ body: () throws(PKCS11Error) -> Value) throws(PKCS11Error) -> Value? {
        do {
            return try body()
        } catch {
            switch error {
            case .cryptoki(let failure) where Recovery(for: failure.returnValue) == .findAgain:
                // The object went away between the search and the look.
                return nil
            case .cryptoki:
                throw error
            default:
                return nil
            }
        }
    }

    /// Handles of objects by class, id and label; nil matches anything. With `atMost` the search ends there.
    func objects(
        of objectClass: CK_OBJECT_CLASS, id: [UInt8]?, label: [UInt8]?, atMost: Int = .max
    ) throws(PKCS11Error) -> [CK_OBJECT_HANDLE] {
        var template = AttributeTemplate()
        template.add(CKA_CLASS, objectClass)
        template.add(CKA_TOKEN, true)
        if let id { template.add(CKA_ID, id) }
        if let label { template.add(CKA_LABEL, label) }
        let find = try module.call("C_FindObjectsInit", module.functions.C_FindObjectsInit)
        let next = try module.call("C_FindObjects", module.functions.C_FindObjects)
        let returned = template.withAttributes { find(handle, $0, $1) }
        guard returned == CKR_OK else { throw .call("C_FindObjectsInit", returned) }
        defer { _ = module.functions.C_FindObjectsFinal?(handle) }

        var handles: [CK_OBJECT_HANDLE] = []
        var batch = [CK_OBJECT_HANDLE](repeating: 0, count: Self.searchBatch)
        while handles.count < atMost {
            var count: CK_ULONG = 0
            let returned = next(handle, &batch, CK_ULONG(batch.count), &count)
            guard returned == CKR_OK else { throw .call("C_FindObjects", returned) }
            if count == 0 { break }
            handles += batch.prefix(Int(min(count, CK_ULONG(batch.count))))
        }
        return handles.count > atMost ? Array(handles.prefix(atMost)) : handles
    }

    /// Handles fetched by one C_FindObjects: few calls for thousands of objects, 8 KiB of memory.
    private static let searchBatch = 1024
    /// Public key objects looked at for one private key. More of the same id are somebody's mistake.
    private static let mostPublicKeys = 64
}

import CPKCS11

extension Session {
    /// The one private key with this id and label, and its public half. Throws `noKey` and `severalKeys`; never
    /// guesses.
    public func key(id: [UInt8], label: [UInt8]) throws(PKCS11Error) -> KeyObject { try keyPair(id: id, label: label).key }

    /// The one private key with this id and label, and the public key objects that match it.
    func keyPair(id: [UInt8], label: [UInt8]) throws(PKCS11Error) -> (key: KeyObject, publicObjects: [CK_OBJECT_HANDLE]) {
        let (privateHandles, publicHandles) = try keyObjects(id: id, label: label)
        var privateKeys: [PrivateKeyAttributes] = []
        var privateReader = PrivateKeyReader()
        for handle in privateHandles {
            let attributes = try privateReader.read(handle, session: self)
            if attributes.label == label { privateKeys.append(attributes) }
        }
        guard let attributes = privateKeys.first else { throw .noKey }
        guard privateKeys.count == 1 else { throw .severalKeys(count: privateKeys.count) }

        var candidates: [(handle: CK_OBJECT_HANDLE, attributes: PublicKeyAttributes)] = []
        var publicReader = PublicKeyReader()
        for handle in publicHandles {
            if let attributes = try? publicReader.read(handle, session: self) { candidates.append((handle, attributes)) }
        }
        let publicKey = try attributes.counterpart(among: candidates.map(\.attributes))
        let publicObjects = candidates.filter { $0.attributes.label == label && $0.attributes.spki == publicKey.spki }.map(\.handle)
        return (attributes.object(publicKey: publicKey), publicObjects)
    }

    /// Private keys with this id, at least all those of this label, and public keys with this id.
    private func keyObjects(
        id: [UInt8], label: [UInt8]
    ) throws(PKCS11Error) -> (privateKeys: [CK_OBJECT_HANDLE], publicKeys: [CK_OBJECT_HANDLE]) {
        // Objects without an id may be many, and nothing says which of them belong together.
        guard !id.isEmpty else { return (try objects(of: CKO_PRIVATE_KEY, id: id, label: label), []) }
        // One search instead of two: a token that looks at every object takes a third of a second per search among
        // 10,000 keys.
        let handles = try objects(of: nil, id: id, label: nil, atMost: Self.mostOfOneID + 1)
        guard handles.count <= Self.mostOfOneID else {
            return (
                try objects(of: CKO_PRIVATE_KEY, id: id, label: label),
                try objects(of: CKO_PUBLIC_KEY, id: id, label: nil, atMost: Self.mostOfOneID)
            )
        }
        var privateKeys: [CK_OBJECT_HANDLE] = []
        var publicKeys: [CK_OBJECT_HANDLE] = []
        var reader = AttributeReader([(CKA_CLASS, MemoryLayout<CK_OBJECT_CLASS>.size)])
        for handle in handles {
            try reader.read(handle, session: self)
            switch reader.number(0) {
            case CKO_PRIVATE_KEY: privateKeys.append(handle)
            case CKO_PUBLIC_KEY: publicKeys.append(handle)
            default: break
            }
        }
        return (privateKeys, publicKeys)
    }

    /// The private keys that `uri` names. Throws `otherToken` if it names a token other than the session's,
    /// `invalidURI` if its `type` is not private, `keyUnusable` if the only match cannot be used, `severalKeys` if one
    /// of several matches cannot.
    public func keys(matching uri: TokenURI) throws(PKCS11Error) -> [KeyObject] {
        if let objectClass = uri.objectClass, objectClass != CKO_PRIVATE_KEY {
            throw .invalidURI(reason: "its type is not private")
        }
        let token = try module.tokenInfo(slot: slot)
        guard try module.matches(uri, token) else { throw .otherToken(label: token.label, serial: token.serialNumber) }
        var unusable: [PKCS11Error] = []
        var keys = try keys(id: uri.objectID, label: uri.objectLabel, unusable: { unusable.append($0) })
        if keys.contains(where: \.id.isEmpty) {
            unusable.append(.keyUnusable(reason: Self.withoutID))
            keys.removeAll(where: \.id.isEmpty)
        }
        guard let first = unusable.first else { return keys }
        guard unusable.count + keys.count == 1 else { throw .severalKeys(count: unusable.count + keys.count) }
        if case .publicKeyUnreadable(let reason) = first { throw .keyUnusable(reason: reason) }
        throw first
    }

    static let withoutID = "it has no CKA_ID to find it by; give it one, and its public key object the same one"

    /// Every private key of the token whose public half can be read, in the token's order. Keys whose public half is
    /// missing or ambiguous are left out: a token may hold thousands of keys that are not ours.
    public func keys() throws(PKCS11Error) -> [KeyObject] { try keys(id: nil, label: nil) }

    /// The same, but returns nil as soon as `goOn`, which is called between objects, returns false.
    public func keys(while goOn: () -> Bool) throws(PKCS11Error) -> [KeyObject]? {
        var isGivenUp = false
        let keys = try keys(id: nil, label: nil) {
            if !isGivenUp { isGivenUp = !goOn() }
            return !isGivenUp
        }
        return isGivenUp ? nil : keys
    }

    /// - Parameter unusable: Called for each private key that is left out, with the reason.
    private func keys(
        id: [UInt8]?, label: [UInt8]?, while goOn: () -> Bool = { true }, unusable: (PKCS11Error) -> Void = { _ in }
    ) throws(PKCS11Error) -> [KeyObject] {
        var publicKeys: [[UInt8]: [PublicKeyAttributes]] = [:]
        var publicReader = PublicKeyReader()
        for handle in try objects(of: CKO_PUBLIC_KEY, id: id, label: nil) {
            guard goOn() else { return [] }
            let key = try skippingUnreadable({ _ in }) { () throws(PKCS11Error) in try publicReader.read(handle, session: self) }
            guard let key else { continue }
            publicKeys[key.id, default: []].append(key)
        }
        var keys: [KeyObject] = []
        var privateReader = PrivateKeyReader()
        guard goOn() else { return [] }
        for handle in try objects(of: CKO_PRIVATE_KEY, id: id, label: label) {
            guard goOn() else { return [] }
            let found = try skippingUnreadable(unusable) { () throws(PKCS11Error) in
                let attributes = try privateReader.read(handle, session: self)
                return attributes.object(
                    publicKey: try attributes.counterpart(among: attributes.id.isEmpty ? [] : publicKeys[attributes.id] ?? []))
            }
            if let found { keys.append(found) }
        }
        return keys
    }

    private func skippingUnreadable<Value>(
        _ unusable: (PKCS11Error) -> Void, _ body: () throws(PKCS11Error) -> Value
    ) throws(PKCS11Error) -> Value? {
        do {
            return try body()
        } catch {
            switch error {
            case .cryptoki(let failure) where Recovery(for: failure.returnValue) == .findAgain:
                // The object disappeared between the search and the read.
                return nil
            case .cryptoki:
                throw error
            default:
                unusable(error)
                return nil
            }
        }
    }

    /// Handles of objects by class, id and label; nil matches anything. The search stops after `atMost`.
    func objects(
        of objectClass: CK_OBJECT_CLASS?, id: [UInt8]?, label: [UInt8]?, atMost: Int = .max
    ) throws(PKCS11Error) -> [CK_OBJECT_HANDLE] {
        var template = AttributeTemplate()
        if let objectClass { template.add(CKA_CLASS, objectClass) }
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
    /// Objects looked at for one key. More with the same id are a mistake.
    private static let mostOfOneID = 64
}

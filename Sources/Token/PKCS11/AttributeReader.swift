import CPKCS11

/// Reads several attributes of an object with one C_GetAttributeValue, into buffers that the next object reuses, so
/// that listing thousands of keys costs one call per key.
struct AttributeReader: ~Copyable {
    private let attributes: UnsafeMutableBufferPointer<CK_ATTRIBUTE>
    private let storage: UnsafeMutableRawBufferPointer
    private let capacities: [Int]

    /// `capacity` is the longest value to expect, in bytes; a longer value counts as absent. For a number it must be the
    /// length of a CK_ULONG: NSS returns the four bytes that it has stored if a buffer has another length, even a longer
    /// one.
    init(_ wanted: [(type: CK_ATTRIBUTE_TYPE, capacity: Int)]) {
        capacities = wanted.map(\.capacity)
        // Every value begins on a multiple of 16.
        let places = capacities.map { ($0 + 15) & ~15 }
        storage = .allocate(byteCount: max(16, places.reduce(0, +)), alignment: 16)
        attributes = .allocate(capacity: wanted.count)
        var offset = 0
        for (index, item) in wanted.enumerated() {
            attributes.initializeElement(
                at: index, to: CK_ATTRIBUTE(type: item.type, pValue: storage.baseAddress.map { $0 + offset }, ulValueLen: 0))
            offset += places[index]
        }
    }

    deinit {
        attributes.deallocate()
        storage.deallocate()
    }

    /// Reads the attributes of `object`. An attribute that the token does not reveal (CKR_ATTRIBUTE_TYPE_INVALID,
    /// CKR_ATTRIBUTE_SENSITIVE) is absent afterwards; the others are filled in (PKCS#11 v2.40 §5.7,
    /// C_GetAttributeValue).
    mutating func read(_ object: CK_OBJECT_HANDLE, session: borrowing Session) throws(PKCS11Error) {
        for index in attributes.indices { attributes[index].ulValueLen = CK_ULONG(capacities[index]) }
        let getAttributeValue = try session.module.call("C_GetAttributeValue", session.module.functions.C_GetAttributeValue)
        let returned = getAttributeValue(session.handle, object, attributes.baseAddress, CK_ULONG(attributes.count))
        switch returned {
        case CKR_OK, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_SENSITIVE, CKR_BUFFER_TOO_SMALL:
            return
        default:
            throw .call("C_GetAttributeValue", returned)
        }
    }

    /// The value read for the attribute at `index` of the list given to the initialiser, or nil.
    func bytes(_ index: Int) -> [UInt8]? {
        guard attributes.indices.contains(index), let value = attributes[index].pValue else { return nil }
        let length = attributes[index].ulValueLen
        guard length != CK_ULONG.max, length <= CK_ULONG(capacities[index]) else { return nil }
        return Array(UnsafeRawBufferPointer(start: value, count: Int(length)))
    }

    /// A CK_BBOOL, or nil.
    func bool(_ index: Int) -> Bool? {
        guard let value = bytes(index), value.count == 1 else { return nil }
        return value[0] != 0
    }

    /// A CK_ULONG, or nil.
    func number(_ index: Int) -> CK_ULONG? {
        guard let value = bytes(index), value.count == MemoryLayout<CK_ULONG>.size else { return nil }
        return value.withUnsafeBytes { $0.loadUnaligned(as: CK_ULONG.self) }
    }
}

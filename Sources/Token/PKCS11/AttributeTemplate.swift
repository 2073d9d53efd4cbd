import CPKCS11

/// A list of CK_ATTRIBUTE that owns its values.
struct AttributeTemplate {
    private var items: [(type: CK_ATTRIBUTE_TYPE, offset: Int, length: Int)] = []
    private var bytes: [UInt8] = []

    mutating func add(_ type: CK_ATTRIBUTE_TYPE, _ value: [UInt8]) {
        items.append((type, bytes.count, value.count))
        bytes.append(contentsOf: value)
    }

    mutating func add(_ type: CK_ATTRIBUTE_TYPE, _ value: Bool) { add(type, [value ? 1 : 0]) }

    mutating func add(_ type: CK_ATTRIBUTE_TYPE, _ value: CK_ULONG) {
        // Some modules read CK_ULONG values with the machine's alignment.
        while bytes.count % MemoryLayout<CK_ULONG>.alignment != 0 { bytes.append(0) }
        add(type, withUnsafeBytes(of: value) { Array($0) })
    }

    /// Runs `body` with the list as a C array. The pointers are valid only during the call.
    func withAttributes<Result>(_ body: (UnsafeMutablePointer<CK_ATTRIBUTE>?, CK_ULONG) -> Result) -> Result {
        var values = bytes
        // An empty array may have no storage, but an attribute of length 0 needs a pointer.
        if values.isEmpty { values.append(0) }
        return values.withUnsafeMutableBytes { buffer in
            var attributes = items.map { item in
                CK_ATTRIBUTE(type: item.type, pValue: buffer.baseAddress.map { $0 + item.offset }, ulValueLen: CK_ULONG(item.length))
            }
            let count = CK_ULONG(attributes.count)
            return attributes.withUnsafeMutableBufferPointer { body($0.baseAddress, count) }
        }
    }
}

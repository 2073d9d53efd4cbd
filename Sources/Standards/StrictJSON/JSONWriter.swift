/// Writes JSON (RFC 8259) as bytes, with members in the order of the calls and no white space.
///
/// The writer adds the commas; the caller must balance brackets and give names.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init(reservingCapacity capacity: Int = 256) {
        bytes.reserveCapacity(capacity)
    }

    /// Removes what was written and keeps the capacity, so that the writer can be reused.
    public mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    public mutating func beginObject() {
        separate()
        bytes.append(UInt8(ascii: "{"))
        needsComma = false
    }
    public mutating func endObject() {
        bytes.append(UInt8(ascii: "}"))
        needsComma = true
    }
    public mutating func beginArray() {
        separate()
        bytes.append(UInt8(ascii: "["))
        needsComma = false
    }
    public mutating func endArray() {
        bytes.append(UInt8(ascii: "]"))
        needsComma = true
    }

    public mutating func name(_ name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func string(_ value: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        let done: Void? = value.utf8.withContiguousStorageIfAvailable { appendEscaped($0) }
        if done == nil { Array(value.utf8).withUnsafeBufferPointer { appendEscaped($0) } }
        bytes.append(UInt8(ascii: "\""))
    }

    /// A string of bytes that need no escaping (base64url, digits).
    public mutating func plainString(_ value: [UInt8]) { plainString(value[...]) }

    /// Not generic: most of a reply is written by this, and a generic function of another module is slow.
    public mutating func plainString(_ value: ArraySlice<UInt8>) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: value)
        bytes.append(UInt8(ascii: "\""))
    }

    public mutating func integer(_ value: some BinaryInteger) {
        separate()
        bytes.append(contentsOf: String(value).utf8)
    }
    public mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }
    public mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// A value that is already JSON.
    public mutating func raw(_ value: some Sequence<UInt8>) {
        separate()
        bytes.append(contentsOf: value)
    }

    public mutating func member(_ name: String, _ value: String) {
        self.name(name)
        string(value)
    }
    public mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        bool(value)
    }
    public mutating func member(_ name: String, _ value: some BinaryInteger) {
        self.name(name)
        integer(value)
    }
    public mutating func member(_ name: String, _ values: [String]) {
        self.name(name)
        beginArray()
        for value in values { string(value) }
        endArray()
    }
    /// Writes nothing if there is no value.
    public mutating func member(_ name: String, ifPresent value: String?) { if let value { member(name, value) } }
    public mutating func member(_ name: String, ifPresent value: Bool?) { if let value { member(name, value) } }
    public mutating func member(_ name: String, ifPresent value: Int64?) { if let value { member(name, value) } }
    public mutating func member(_ name: String, raw value: some Sequence<UInt8>) {
        self.name(name)
        raw(value)
    }

    /// Whether a string's bytes need no escaping: RFC 8259 §7, and also U+007F, which a terminal would act on.
    public static func isPlain(_ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
        // Always to the end, without branches: this lets one instruction check many bytes.
        var escapes: UInt8 = 0
        for index in utf8.indices {
            let byte = utf8[index]
            escapes |= (byte < 0x20 ? 1 : 0) | (byte == 0x22 ? 1 : 0) | (byte == 0x5C ? 1 : 0) | (byte == 0x7F ? 1 : 0)
        }
        return escapes == 0
    }

    private static func needsEscape(_ byte: UInt8) -> Bool { (byte < 0x20) || (byte == 0x22) || (byte == 0x5C) || (byte == 0x7F) }

    /// Copies runs that need no escaping, which is nearly everything, as a whole.
    private mutating func appendEscaped(_ utf8: UnsafeBufferPointer<UInt8>) {
        if JSONWriter.isPlain(utf8) { return bytes.append(contentsOf: utf8) }
        var start = 0
        for (index, byte) in utf8.enumerated() where JSONWriter.needsEscape(byte) {
            bytes.append(contentsOf: utf8[start..<index])
            start = index + 1
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0x08: bytes.append(contentsOf: "\\b".utf8)
            case 0x0C: bytes.append(contentsOf: "\\f".utf8)
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            default:
                bytes.append(contentsOf: "\\u00".utf8)
                bytes.append(JSONWriter.hex(byte >> 4))
                bytes.append(JSONWriter.hex(byte & 15))
            }
        }
        bytes.append(contentsOf: utf8[start...])
    }

    private static func hex(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }
}

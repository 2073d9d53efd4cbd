/// An invalid frame: the other end must no longer be trusted.
public struct FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
    init(_ description: String) { self.description = description }
}

/// Reads one frame's fields. Every read is checked: the helper runs vendor code, so its data is not trusted. Nothing is
/// allocated for a field before its limit is checked.
struct FrameReader {
    private let bytes: UnsafeRawBufferPointer
    private var at = 0

    /// - Parameter bytes: memory that must outlive the reader.
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private mutating func take(_ count: Int) throws(FrameError) -> UnsafeRawBufferPointer {
        guard count <= bytes.count - at else { throw FrameError("a frame ends early") }
        defer { at += count }
        return UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])
    }

    mutating func byte() throws(FrameError) -> UInt8 { try take(1)[0] }

    mutating func integer() throws(FrameError) -> UInt32 { UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self)) }

    mutating func long() throws(FrameError) -> UInt64 { UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self)) }

    private mutating func counted(limit: Int) throws(FrameError) -> UnsafeRawBufferPointer {
        let count = Int(try integer())
        guard count <= limit else { throw FrameError("a field of \(count) bytes is longer than \(limit)") }
        return try take(count)
    }

    mutating func data(limit: Int) throws(FrameError) -> [UInt8] { [UInt8](try counted(limit: limit)) }

    mutating func text(limit: Int) throws(FrameError) -> String {
        guard let text = String(validating: try counted(limit: limit), as: UTF8.self) else { throw FrameError("a text is not UTF-8") }
        return text
    }

    mutating func optionalText(limit: Int) throws(FrameError) -> String? { try bool() ? try text(limit: limit) : nil }

    mutating func bool() throws(FrameError) -> Bool {
        switch try byte() {
        case 0: false
        case 1: true
        default: throw FrameError("a boolean is neither 0 nor 1")
        }
    }

    func finish() throws(FrameError) {
        guard at == bytes.count else { throw FrameError("a frame has bytes after its last field") }
    }
}

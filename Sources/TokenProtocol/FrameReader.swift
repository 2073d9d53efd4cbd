/// A frame that is not as it must be: the other end is not to be trusted any more.
public struct FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
    init(_ description: String) { self.description = description }
}

/// Reads one frame's fields. Every read is checked: the helper runs vendor code, and what comes from it is not trusted.
struct FrameReader {
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    mutating func byte() throws(FrameError) -> UInt8 {
        guard at < bytes.endIndex else { throw FrameError("a frame ends early") }
        defer { at += 1 }
        return bytes[at]
    }

    mutating func integer() throws(FrameError) -> UInt32 {
        guard bytes.endIndex - at >= 4 else { throw FrameError("a frame ends early") }
        defer { at += 4 }
        return UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
    }

    mutating func long() throws(FrameError) -> UInt64 {
        let low = try integer(), high = try integer()
        return UInt64(low) | UInt64(high) << 32
    }

    mutating func data(limit: Int) throws(FrameError) -> [UInt8] {
        let count = Int(try integer())
        guard count <= limit else { throw FrameError("a field of \(count) bytes is longer than \(limit)") }
        guard bytes.endIndex - at >= count else { throw FrameError("a frame ends early") }
        defer { at += count }
        return Array(bytes[at..<(at + count)])
    }

    mutating func text(limit: Int) throws(FrameError) -> String {
        guard let text = String(validating: try data(limit: limit), as: UTF8.self) else { throw FrameError("a text is not UTF-8") }
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
        guard at == bytes.endIndex else { throw FrameError("a frame has bytes behind its last field") }
    }
}

/// A method's full name, `org.example.Interface.Method`, split at its last dot and kept as bytes.
///
/// Bytes, because two `String`s are equal when they are canonically equivalent, which two names of methods must not be.
public struct VarlinkMethodName: Hashable, Sendable, CustomStringConvertible {
    /// The whole name.
    public let bytes: ArraySlice<UInt8>
    private let dot: Int

    /// Reads a name. UAPI.20, "Interface definition": an interface's name is dot-separated, has at least two parts of letters, digits
    /// and inner dashes; a member's name begins with a capital and has letters and digits only.
    /// - Returns: `nil` if the text is not the name of a method.
    public init?(_ bytes: ArraySlice<UInt8>) {
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")),
            VarlinkNameGrammar.isInterfaceName(bytes[..<dot]),
            VarlinkNameGrammar.isMemberName(bytes[(dot + 1)...])
        else { return nil }
        self.bytes = bytes
        self.dot = dot
    }

    public init?(_ name: String) {
        self.init(ArraySlice(name.utf8))
    }

    /// `org.example.Interface`
    public var interface: ArraySlice<UInt8> { bytes[..<dot] }

    /// `Method`
    public var member: ArraySlice<UInt8> { bytes[(dot + 1)...] }

    public var interfaceName: String { String(decoding: interface, as: UTF8.self) }

    /// The name within the interface, as a service's `switch` wants it.
    public var memberName: String { String(decoding: member, as: UTF8.self) }

    public var description: String { String(decoding: bytes, as: UTF8.self) }

    public static func == (one: VarlinkMethodName, other: VarlinkMethodName) -> Bool { one.bytes.elementsEqual(other.bytes) }

    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

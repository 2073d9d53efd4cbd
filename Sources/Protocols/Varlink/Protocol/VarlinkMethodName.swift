/// A method's full name, `org.example.Interface.Method`, split at its last dot and kept as bytes.
///
/// Bytes, because two `String`s are equal if they are canonically equivalent, which is wrong for method names.
public struct VarlinkMethodName: Hashable, Sendable, CustomStringConvertible {
    /// The whole name.
    public let bytes: ArraySlice<UInt8>
    private let dot: Int

    /// Parses a name. UAPI.20, "Interface definition": an interface name has at least two parts, separated by dots, of
    /// letters, digits and inner dashes; a member name begins with a capital and has only letters and digits.
    /// - Returns: `nil` if the text is not the name of a method.
    public init?(_ bytes: ArraySlice<UInt8>) {
        guard let dot = bytes.lastIndex(of: UInt8(ascii: ".")),
            VarlinkNameGrammar.isInterfaceName(bytes[..<dot]),
            VarlinkNameGrammar.isMemberName(bytes[(dot + 1)...])
        else { return nil }
        self.bytes = bytes
        self.dot = dot
    }

    /// Parses a name given as text.
    /// - Returns: `nil` if the text is not the name of a method.
    public init?(_ name: String) {
        self.init(ArraySlice(name.utf8))
    }

    /// `org.example.Interface`
    public var interface: ArraySlice<UInt8> { bytes[..<dot] }

    /// `Method`
    public var member: ArraySlice<UInt8> { bytes[(dot + 1)...] }

    /// The interface's name as text.
    public var interfaceName: String { String(decoding: interface, as: UTF8.self) }

    /// The name within the interface, for a service's `switch`.
    public var memberName: String { String(decoding: member, as: UTF8.self) }

    public var description: String { String(decoding: bytes, as: UTF8.self) }

    public static func == (one: VarlinkMethodName, other: VarlinkMethodName) -> Bool { one.bytes.elementsEqual(other.bytes) }

    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

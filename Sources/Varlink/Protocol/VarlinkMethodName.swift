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

/// The names of UAPI.20's grammar, all of them ASCII.
enum VarlinkNameGrammar {
    /// "must be between 3 and 255 characters": bounds what stands in logs and errors.
    static let interfaceNameLengths = 3...255

    /// `[A-Za-z]([-]*[A-Za-z0-9])*(\.[A-Za-z0-9]([-]*[A-Za-z0-9])*)+`
    static func isInterfaceName(_ name: some Collection<UInt8>) -> Bool {
        guard interfaceNameLengths.contains(name.count), let first = name.first, isLetter(first) else { return false }
        var dots = 0
        var previous = UInt8(ascii: ".")
        for byte in name {
            switch byte {
            case UInt8(ascii: "."):
                guard isLetterOrDigit(previous) else { return false }
                dots += 1
            case UInt8(ascii: "-"):
                guard previous != UInt8(ascii: ".") else { return false }
            default:
                guard isLetterOrDigit(byte) else { return false }
            }
            previous = byte
        }
        return dots > 0 && isLetterOrDigit(previous)
    }

    /// `[A-Z][A-Za-z0-9]*`: methods, types and errors.
    static func isMemberName(_ name: some Collection<UInt8>) -> Bool {
        guard let first = name.first, isCapital(first), name.count <= 255 else { return false }
        return name.allSatisfy(isLetterOrDigit)
    }

    /// `[A-Za-z]([_]?[A-Za-z0-9])*`: fields and the values of enumerations.
    static func isFieldName(_ name: some Collection<UInt8>) -> Bool {
        guard let first = name.first, isLetter(first) else { return false }
        var previous = first
        for byte in name {
            if byte == UInt8(ascii: "_") {
                guard previous != UInt8(ascii: "_") else { return false }
            } else {
                guard isLetterOrDigit(byte) else { return false }
            }
            previous = byte
        }
        return previous != UInt8(ascii: "_")
    }

    static func isCapital(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") }
    static func isLetter(_ byte: UInt8) -> Bool { isCapital(byte) || (byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")) }
    static func isLetterOrDigit(_ byte: UInt8) -> Bool { isLetter(byte) || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")) }
}

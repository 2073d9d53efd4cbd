/// The names of UAPI.20's grammar, all of them ASCII.
enum VarlinkNameGrammar {
    /// "must be between 3 and 255 characters": bounds what appears in logs and errors.
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

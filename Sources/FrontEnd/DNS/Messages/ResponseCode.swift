/// What a server answered (RFC 1035 §4.1.1, RFC 2136 §2.2).
public struct ResponseCode: Hashable, Sendable, RawRepresentable, CustomStringConvertible {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let success = ResponseCode(rawValue: 0)
    public static let formatError = ResponseCode(rawValue: 1)
    public static let serverFailure = ResponseCode(rawValue: 2)
    public static let noSuchName = ResponseCode(rawValue: 3)
    public static let notImplemented = ResponseCode(rawValue: 4)
    public static let refused = ResponseCode(rawValue: 5)
    public static let notAuthoritative = ResponseCode(rawValue: 9)
    public static let notInZone = ResponseCode(rawValue: 10)

    /// As servers log it.
    public var description: String {
        let names = [
            "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE",
        ]
        return Int(rawValue) < names.count ? names[Int(rawValue)] : "RCODE \(rawValue)"
    }
}

/// Why a server did not accept a signature, or why we do not accept a server's (RFC 8945 §3).
public enum TSIGFault: UInt16, Hashable, Sendable, CustomStringConvertible {
    case badSignature = 16
    case badKey = 17
    case badTime = 18
    case badTruncation = 22

    public var description: String {
        switch self {
        case .badSignature: "BADSIG"
        case .badKey: "BADKEY"
        case .badTime: "BADTIME"
        case .badTruncation: "BADTRUNC"
        }
    }
}

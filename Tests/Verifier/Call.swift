/// One call on the socket, and how it is written.
struct Call: Equatable {
    /// A way to write a call. The parameters stay what they are.
    enum Form: String, CaseIterable {
        case plain
        /// Every character of every string as `\uXXXX`: the same text.
        case escaped
        /// Blanks around the message: the same text.
        case blanks
        case more
        case oneway
        case upgrade
        /// The first parameter twice, the second time with another value.
        case duplicate
        /// The same with the name escaped.
        case escapedDuplicate
        case unknownMember
        case deep
        case twoValues
        case invalidUTF8

        /// Whether the reader must refuse it (Docs/protocol.md, "What the reader refuses").
        var isRefused: Bool {
            switch self {
            case .duplicate, .escapedDuplicate, .unknownMember, .deep, .twoValues, .invalidUTF8: true
            case .plain, .escaped, .blanks, .more, .oneway, .upgrade: false
            }
        }
    }

    static let interface = "org.acmeagent.Agent."

    /// Without the interface's name.
    var method: String
    var parameters: JSON
    var form = Form.plain

    /// The message with its terminator.
    var bytes: [UInt8] {
        var call = JSON.members([("method", .string(Call.interface + method)), ("parameters", parameters)])
        switch form {
        case .more, .oneway, .upgrade: call = call.with(form.rawValue, .bool(true))
        case .unknownMember: call = call.with("parameters", parameters.with("digest", .string("AAAA")))
        case .deep:
            var value = JSON.array([])
            for _ in 0..<40 { value = .array([value]) }
            call = call.with("parameters", parameters.with("nonce", value))
        default: break
        }
        var text = call.text(isEscaped: form == .escaped)
        switch form {
        case .blanks: text = " \n\t" + text + "\r\n "
        case .twoValues: text += text
        case .duplicate: text = String(text.dropLast(2)) + ",\(JSON.string(parameters.names.first ?? "key").text()):\"other\"}}"
        case .escapedDuplicate:
            text = String(text.dropLast(2)) + ",\(JSON.string(parameters.names.first ?? "key").text(isEscaped: true)):\"other\"}}"
        default: break
        }
        var bytes = Array(text.utf8)
        if form == .invalidUTF8, let quote = bytes.lastIndex(of: UInt8(ascii: "\"")) { bytes.insert(contentsOf: [0xC0, 0xAF], at: quote) }
        return bytes + [0]
    }
}

/// What came back.
enum Reply: Equatable {
    case parameters(JSON)
    case error(String, JSON)
    case closed
    case none

    init(_ message: JSON?) {
        guard let message else {
            self = .closed
            return
        }
        if let name = message["error"]?.string {
            self = .error(name, message["parameters"] ?? .object([]))
        } else {
            self = .parameters(message["parameters"] ?? .object([]))
        }
    }

    /// What a reply says, as far as policy is concerned.
    enum Outcome: String {
        case success, refused, notFound, exists, invalid, closed, none
        /// The token did not sign, which may be if the key is deleted meanwhile.
        case failed
        /// Something that nothing in these tests may cause, such as a token's failure.
        case other
    }

    var outcome: Outcome {
        switch self {
        case .parameters: return .success
        case .closed: return .closed
        case .none: return .none
        case .error(let name, _):
            switch name {
            case Call.interface + "Refused": return .refused
            case Call.interface + "KeyNotFound": return .notFound
            case Call.interface + "KeyExists": return .exists
            case Call.interface + "SigningFailed": return .failed
            case Call.interface + "InvalidRequest", "org.varlink.service.InvalidParameter", "org.varlink.service.MethodNotFound":
                return .invalid
            default: return .other
            }
        }
    }

    var text: String {
        switch self {
        case .parameters(let value): value.text()
        case .error(let name, let value): "\(name) \(value.text())"
        case .closed: "the connection was closed"
        case .none: "no reply"
        }
    }
}

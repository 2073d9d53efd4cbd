import ACME

/// Which CAs a grant is for, by the origin of their directory.
public enum CAPattern: Hashable, Sendable, CustomStringConvertible {
    case origin(Origin)
    /// `https://localhost:*`, `https://127.0.0.1:*`, `https://[::1]:*`: any port of this machine, for tests and trials.
    /// The value is the part before the port's colon.
    case anyPort(String)

    /// The hosts for which a star may stand for the port.
    static let loopback = ["https://localhost", "https://127.0.0.1", "https://[::1]"]

    /// Reads an origin (`https://host` or `https://host:port`, no path) or one of the loopback forms.
    /// - Throws: `PatternError`.
    public init(_ text: String) throws(PatternError) {
        if text.utf8.last == UInt8(ascii: "*") {
            guard let host = CAPattern.loopback.first(where: { text.utf8.elementsEqual(($0 + ":*").utf8) }) else {
                throw PatternError(text, "a star is allowed only as the port of https://localhost, https://127.0.0.1 and https://[::1]")
            }
            self = .anyPort(host)
        } else {
            do { self = .origin(try Origin(text)) } catch {
                guard let origin = Origin.meant(by: text) else { throw PatternError(text, "not the origin of a CA: \(error)") }
                let mistake = (try? ACMEURL(text)) == nil ? "write the origin: begin with https://" : "write the origin: leave out the path"
                throw PatternError(text, "\(mistake): \"\(origin)\"")
            }
        }
    }

    public func covers(_ origin: Origin) -> Bool {
        switch self {
        case .origin(let own): return own == origin
        case .anyPort(let host):
            let text = origin.text.utf8, own = host.utf8
            guard text.starts(with: own) else { return false }
            let rest = text.dropFirst(own.count)
            return rest.isEmpty || rest.first == UInt8(ascii: ":")
        }
    }

    public var description: String {
        switch self {
        case .origin(let origin): origin.description
        case .anyPort(let host): host + ":*"
        }
    }
}

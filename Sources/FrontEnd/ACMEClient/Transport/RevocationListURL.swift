import ACME

/// Where a certificate says that its revocation list is (RFC 5280 §4.2.1.13): the only URL that may be http, because the
/// list is signed and no secret, and because a list over https could not be had where that server's certificate is the
/// question. It is otherwise as strict as a CA's other URLs.
public struct RevocationListURL: Hashable, Sendable, CustomStringConvertible {
    /// As given.
    public let text: String
    /// The same place by https with its port spelled out, for what decides by host and port.
    let twin: ACMEURL
    let isHTTPS: Bool

    /// - Returns: `nil` if it is neither http nor https, or could be read as two places.
    public init?(_ text: String) {
        let letters = Array(text.utf8)
        func rest(after scheme: String) -> ArraySlice<UInt8>? {
            let begin = Array(scheme.utf8)
            guard letters.count > begin.count, zip(letters, begin).allSatisfy({ $0 == $1 || $0 | 0x20 == $1 && $0 & 0x40 != 0 }) else {
                return nil
            }
            return letters[begin.count...]
        }
        if let own = try? ACMEURL(text) {
            (twin, isHTTPS) = (own, true)
        } else if let rest = rest(after: "http://") {
            guard let twin = try? ACMEURL("https://" + String(decoding: rest, as: UTF8.self)) else { return nil }
            let hasPort = rest.prefix { $0 != UInt8(ascii: "/") }.reversed().prefix { $0 != UInt8(ascii: "]") }.contains(UInt8(ascii: ":"))
            if hasPort {
                self.twin = twin
            } else {
                let host = twin.host.contains(":") ? "[\(twin.host)]" : twin.host
                guard let ported = try? ACMEURL("https://\(host):80\(twin.path)") else { return nil }
                self.twin = ported
            }
            isHTTPS = false
        } else {
            return nil
        }
        self.text = text
    }

    /// Where a redirect leads (RFC 9110 §10.2.2).
    init?(reference: String, relativeTo base: RevocationListURL) {
        if reference.contains("://") {
            self.init(reference)
        } else {
            guard !reference.isEmpty, let target = try? ACMEURL(reference: reference, relativeTo: base.twin) else { return nil }
            self.init(base.isHTTPS ? target.text : "http" + target.text.dropFirst("https".count))
        }
    }

    /// Whether the host is this one, or an address that only an inner network has (RFC 6890). Names that lead to such an
    /// address are not known here.
    var isInner: Bool {
        guard let address = try? IPAddress(host) else { return host == "localhost" || host.hasSuffix(".localhost") }
        let bytes = address.bytes
        if address.isIPv4 {
            return switch (bytes[0], bytes[1]) {
            case (0, _), (10, _), (127, _), (169, 254), (172, 16...31), (192, 168), (100, 64...127): true
            default: false
            }
        }
        // Unspecified and loopback, then unique local and link-local.
        return bytes.dropLast().allSatisfy { $0 == 0 } || bytes[0] & 0xFE == 0xFC || (bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80)
    }

    /// The server's name or address.
    public var host: String { twin.host }
    /// Host and port, for a proxy's exceptions.
    public var origin: Origin { twin.origin }
    public var description: String { text }
}

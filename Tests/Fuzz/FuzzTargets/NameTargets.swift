import ACME
import Foundation
import Glibc
import SigningPolicy

@testable import ACMEClient
@testable import DNS
@testable import Keyring

extension FuzzTarget {
    /// Names, addresses, patterns, contacts and key names. What is accepted has one form, which is accepted unchanged;
    /// libldns and the C library read names and addresses as the agent does.
    static let name = FuzzTarget(
        "name", longest: 512,
        tokens: [
            "*.", ".", "-", "xn--", "_", "::", ":", "/", "192.0.2.1", "2001:db8::", "ffff", "example.org", "mailto:", "@", "%41", "é", "ß",
            "日本",
            "https://", "web-", "\u{200D}", "e\u{301}",
        ]
    ) {
        [
            "www.example.org", "*.Example.ORG.", "xn--bcher-kva.example", "bücher.example", "192.0.2.1", "2001:DB8::0:1",
            "::ffff:192.0.2.1",
            "192.0.2.0/24", "2001:db8::/32", "web-1", "web-*", "*", "mailto:a%41@example.org", "https://ca.test:8443", "https://[::1]:*",
        ].map { Array($0.utf8) }
    } check: { bytes in
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        let found = [
            try checkName(text), try checkAddress(text), try checkPattern(text), try checkInternationalized(text),
            try hasOneForm(text, { try Identifier(argument: $0) }, \.value), try hasOneForm(text, { try KeyName($0) }, \.rawValue),
            try hasOneForm(text, { try Contact($0) }, \.text), try hasOneForm(text, { try Origin($0) }, \.text),
            try hasOneForm(text, { try KeyPattern($0) }, \.description), try hasOneForm(text, { try CAPattern($0) }, \.description),
            try checkDomainName(text),
        ]
        return found.contains(true)
    }

    private static func hasOneForm<Value: Equatable>(
        _ text: String, _ read: (String) throws -> Value, _ form: (Value) -> String
    ) throws -> Bool {
        guard let value = try? read(text) else { return false }
        let again = try must("the form of \(Value.self) is refused: \(form(value))") { try read(form(value)) }
        try expect(again == value && form(again).utf8.elementsEqual(form(value).utf8), "\(Value.self) has two forms: \(form(value))")
        return true
    }

    private static func checkName(_ text: String) throws -> Bool {
        guard try hasOneForm(text, { try DNSName($0) }, \.text), let name = try? DNSName(text) else { return false }
        try expect(name.text.utf8.count <= DNSName.maximumLength, "a name is longer than the limit")
        try expect(name.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !(0x41...0x5A).contains($0) }, "a name is not in lower case")
        try expect(name.base.utf8.elementsEqual(name.text.utf8.dropFirst(name.isWildcard ? 2 : 0)), "the base of a name is another one")
        let other = try must("libldns refuses a name") { try DomainName(name.text) }
        try expect(other.description.utf8.elementsEqual(name.text.utf8), "libldns reads another name: \(other)")
        return true
    }

    private static func checkDomainName(_ text: String) throws -> Bool {
        guard let name = try? DomainName(text) else { return false }
        let again = try must("the form of a domain name is refused: \(name)") { try DomainName(name.description) }
        try expect(again == name, "a domain name has two forms: \(name)")
        try expect(name.isWithin(name) && (name.parent.map { name.isWithin($0) } ?? true), "a domain name is not within itself: \(name)")
        return true
    }

    private static func checkAddress(_ text: String) throws -> Bool {
        guard try hasOneForm(text, { try IPAddress($0) }, \.text), let address = try? IPAddress(text) else { return false }
        var bytes = [UInt8](repeating: 0, count: address.bytes.count)
        try expect(inet_pton(address.isIPv4 ? AF_INET : AF_INET6, text, &bytes) == 1, "the C library reads no address: \(text)")
        try expect(bytes == address.bytes, "the C library reads another address: \(text)")
        let again = try must("an address's bytes are refused") { try IPAddress(bytes: address.bytes) }
        try expect(again == address, "an address has other bytes")
        return true
    }

    private static func checkPattern(_ text: String) throws -> Bool {
        guard try hasOneForm(text, { try IdentifierPattern($0) }, \.description), let pattern = try? IdentifierPattern(text) else {
            return false
        }
        switch pattern {
        case .any: break
        case .name(let name): try expect(pattern.covers(.dns(name)), "a pattern does not cover its name: \(text)")
        case .subdomains(let parent):
            try expect(!pattern.covers(.dns(parent)), "a pattern covers the name above: \(text)")
            if let name = try? DNSName("a." + parent.text) { try expect(pattern.covers(.dns(name)), "a pattern covers nothing: \(text)") }
            if let name = try? DNSName("a.b." + parent.text) {
                try expect(!pattern.covers(.dns(name)), "a pattern covers two labels: \(text)")
            }
        case .address(let address), .network(let address, _):
            try expect(pattern.covers(.ip(address)), "a pattern does not cover its address")
        }
        return true
    }

    private static func checkInternationalized(_ text: String) throws -> Bool {
        guard let labels = try? InternationalizedName.aLabels(text) else { return false }
        try expect(labels.utf8.allSatisfy { $0 < 0x80 }, "A-labels are not ASCII: \(labels)")
        let again = try must("A-labels are refused: \(labels)") { try InternationalizedName.aLabels(labels) }
        try expect(again.utf8.elementsEqual(labels.utf8), "A-labels are converted again: \(labels)")
        return (try? DNSName(labels)) != nil
    }

    /// A CA's URL, a reference relative to one, and a revocation list's. A URL is kept as it is, Foundation's reader finds
    /// the same server, port and path, and each URL is the same resource as itself.
    static let url = FuzzTarget(
        "url", longest: 1_200,
        tokens: [
            "https://", "http://", "//", "/", "..", "/./", "%2e", "%2F", "%25", "?", "#", ":", "@", "[::1]", ":443", ":0443", "\\", ";",
            "é", "\n",
        ]
    ) {
        [
            "https://ca.test/acme/order/1\n../2?x=y", "https://CA.test:8443/a%2Fb?c\n//other.test/x", "https://[2001:DB8::1]:443/\n/x",
            "http://crl.test/1.crl\nhttp://[::1]:80/", "https://127.0.0.1:14000/dir\n",
        ].map { Array($0.utf8) }
    } check: { bytes in
        guard let (head, rest) = bytes.headed else { return false }
        let list = RevocationListURL(head)
        if let list {
            try expect(list.text.utf8.elementsEqual(head.utf8), "a list's URL is changed")
            try expect(list.host == list.origin.host, "a list's URL has two hosts")
        }
        guard let url = try? ACMEURL(head) else { return list != nil }
        try expect(url.text.utf8.elementsEqual(head.utf8), "a URL is changed")
        try checkFoundation(url)
        try expect(url.isSameResource(as: url) && url.isNear(account: url), "a URL is not the same resource as itself: \(url)")
        let own = try must("a URL is no reference") { try ACMEURL(reference: url.text, relativeTo: url) }
        try expect(own == url, "a URL relative to itself is another one")
        let neighbour = try must("a URL is refused beside another") { try ACMEURL(utf8: Array(head.utf8)[...], neighbour: url) }
        try expect(neighbour == url && neighbour.origin == url.origin, "a URL beside another one is another one")
        let origin = try must("a URL's origin is refused") { try Origin(url.origin.text) }
        try expect(origin == url.origin, "an origin has two forms")
        guard let reference = String(validating: rest, as: UTF8.self), let target = try? ACMEURL(reference: reference, relativeTo: url)
        else { return true }
        try checkFoundation(target)
        try expect(url.isSameResource(as: target) == target.isSameResource(as: url), "a URL is the same resource only one way round")
        let absolute = try must("what a reference leads to is refused") { try ACMEURL(target.text) }
        try expect(absolute == target, "what a reference leads to has two forms")
        return true
    }

    /// Where Foundation, too, reads a URL, it reads the same one.
    private static func checkFoundation(_ url: ACMEURL) throws {
        guard let other = URLComponents(string: url.text, encodingInvalidCharacters: false) else { return }
        try expect(
            other.scheme?.lowercased() == "https" && other.user == nil && other.fragment == nil, "Foundation reads another URL: \(url)")
        try expect(other.port ?? 443 == url.port, "Foundation reads another port: \(url)")
        let host = (other.percentEncodedHost ?? "").lowercased().filter { $0 != "[" && $0 != "]" }
        let isSame = (try? IPAddress(host)).map { $0 == (try? IPAddress(url.host)) } ?? host.utf8.elementsEqual(url.host.utf8)
        try expect(isSame, "Foundation reads another host: \(host), not \(url.host)")
        let path = other.percentEncodedPath + (other.percentEncodedQuery.map { "?" + $0 } ?? "")
        try expect(path.utf8.elementsEqual(url.path.utf8), "Foundation reads another path: \(path), not \(url.path)")
    }

    /// Times as RFC 3339 and RFC 9110 write them, read and written again.
    static let time = FuzzTarget(
        "time", longest: 64,
        tokens: ["2026-01-01", "T", "Z", "+23:59", "-00:00", ".999999999", ":60", "00", "9999", "Sun, ", " GMT", "Nov"]
    ) {
        [
            "2026-11-29T05:30:00Z", "2026-02-28T23:59:59.5+01:00", "9999-12-31T23:59:59Z", "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "120", "1.5",
        ].map { Array($0.utf8) }
    } check: { bytes in
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        let now: Int64 = 1_800_000_000
        var isAccepted = false
        if let seconds = RFC3339.seconds(text) {
            let form = RFC3339.string(seconds)
            try expect(RFC3339.seconds(form) == seconds, "a time is written as \(form), which is not read as the same")
            isAccepted = true
        }
        if let wait = RetryAfter.seconds(text, now: now) {
            try expect(wait >= 0, "a wait is negative: \(wait)")
            isAccepted = true
        }
        if let date = HTTPDate.seconds(text, now: now) {
            // A year of two digits is meant by the present one (RFC 9110 §5.6.7).
            let wait = text.contains("-") ? 7 : RetryAfter.seconds(text, now: date - 7)
            try expect(wait == 7, "a date is \(date), and a wait for it is not 7 s")
            isAccepted = true
        }
        return isAccepted
    }
}

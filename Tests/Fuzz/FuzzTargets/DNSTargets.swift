import ACME
import TestSupport

@testable import DNS

extension FuzzTarget {
    private static func query() throws -> DNSRequest {
        try DNSRequest(.init(try DomainName("_acme-challenge.example.org"), .txt), isRecursive: true)
    }

    /// What a DNS server answers. libldns reads only what has the layout of a message; the names in it have one form; its
    /// records can be put into an update, which is read as the same records.
    static let dnsMessage = FuzzTarget(
        "dns-message", longest: 1_232,
        tokens: [
            "\0\u{10}\0\u{1}", "\0\u{29}", "\u{3}www\u{7}example\u{3}org\0", "\u{5}issue",
        ], binary: [[0xC0, 0x0C], [0, 0xFA, 0, 0xFF], [0xFF, 0xFF]]
    ) {
        let request = try query()
        guard let asked = ScriptedDNSServer.Query(request.bytes, isStream: false) else { throw Finding("a query is not read") }
        let name = "_acme-challenge.example.org"
        let reply = DNSReply(
            to: asked,
            answers: [
                .text(name, [Array("one ".utf8), Array("two".utf8)]), .alias("a.example.org", "b.example.org"),
                .address("ns1.example.org", [192, 0, 2, 1]), .nameServer("example.org", "ns1.example.org"),
                .init("example.org", 257, [0x80, 5] + Array("issueca.test".utf8)),
            ], authorities: [.authority("example.org", primary: "ns1.example.org")])
        var record = TSIGRecord(
            key: try DomainName("key"), algorithm: try DomainName("hmac-sha256"), time: 1_700_000_000, fudge: 300, originalID: 1)
        record.code = [UInt8](repeating: 7, count: 32)
        var signed = reply.bytes
        signed[11] = 1
        return [reply.bytes, signed + record.wire, request.bytes]
    } check: { bytes in
        guard let message = DNSMessage(bytes) else { return false }
        try expect(MessageLayout(bytes) != nil, "libldns reads what has no message's layout")
        try expect(message.answers.count + message.authorities.count <= bytes.count / 11, "there are more records than fit")
        for record in message.answers + message.authorities {
            let name = try must("a name's form is refused: \(record.name)") { try DomainName(record.name.description) }
            try expect(name == record.name, "a name has two forms: \(record.name)")
            guard case .text(let text) = record.content else { continue }
            try expect(record.strings.flatMap(\.self) == text, "a record's strings are not its text")
            let update = try must("a record cannot be put into an update") {
                try DNSRequest(zone: record.name, .add(ttl: 60), record.name, strings: record.strings)
            }
            guard let again = DNSMessage(update.bytes) else { throw Finding("an update that was written is not read") }
            try expect(again.authorities == [record] && again.question?.name == record.name, "an update that was written is another one")
        }
        if let question = message.question {
            let request = try must("a question cannot be asked again") { try DNSRequest(question, isRecursive: false) }
            try expect(DNSMessage(request.bytes)?.question == question, "a question that was written is another one")
        }
        return true
    }

    /// Texts of the DNS: after a line with the kind, a record of dns-persist-01, the place of a record, a CAA record's
    /// value, or a TSIG key's file. What has a form is read again from it.
    static let dnsText = FuzzTarget(
        "dns-text", longest: 2_048,
        tokens: [
            "; accounturi=https://ca.test/acct/1", "; policy=wildcard", "; persistUntil=1800000000", "=", ";", "key ", "\"", "{", "};",
            " algorithm hmac-sha256;", " secret \"AAAA\";", "/*", "*/", "//", "#", "\n", "validationmethods=dns-01", ",", "192.0.2.1",
            "::1",
        ]
    ) {
        [
            .headed("persist", "ca.test; accounturi=https://ca.test/acct/1; policy=wildcard; persistUntil=1800000000".utf8),
            .headed("place", "_acme-challenge.example.org example.org 192.0.2.1,[2001:db8::1]:5353".utf8),
            .headed("caa", "ca.test; accounturi=https://ca.test/acct/1; validationmethods=dns-01,http-01".utf8),
            .headed("tsig", "key \"k.example\" { algorithm hmac-sha256; secret \"c2VjcmV0\"; }; // end\n".utf8),
            .headed("server", "[2001:db8::1]:5353".utf8),
        ]
    } check: { bytes in
        guard let (kind, rest) = bytes.headed, let text = String(validating: rest, as: UTF8.self) else { return false }
        switch kind {
        case "persist":
            guard let record = DNSPersistRecord(value: text) else { return false }
            guard let again = DNSPersistRecord(value: record.value) else { throw Finding("a record's value is refused: \(record.value)") }
            try expect(again == record, "a record has two forms: \(record.value)")
        case "place":
            guard let place = TextRecord(text: text) else { return false }
            try expect(TextRecord(text: place.text) == place, "a place has two forms: \(place.text)")
        case "server":
            guard let server = DNSServerName(text) else { return false }
            try expect(DNSServerName("\(server)") == server, "a server has two forms: \(server)")
        case "caa":
            let record = CAARecord(tag: "issue", value: text)
            let question = CAAQuestion(
                issuers: [record.issuer], isWildcard: false, account: record.parameters["accounturi"] ?? "", methods: ["dns-01"])
            switch question.verdict(on: [record]) {
            case .unrestricted, .otherIssuers, .otherAccount, .critical: throw Finding("a record is not its own issuer's and account's")
            case .allowed: break
            case .otherMethods(let methods): try expect(!methods.split(separator: ",").contains("dns-01"), "an allowed method is refused")
            }
        case "tsig":
            guard let key = try? TSIGKeyFile.key("/k", statement: text) else { return false }
            let code = key.authenticationCode(of: bytes)
            try expect(key.isValid(code, of: bytes), "a key does not accept its own code")
            try expect(!key.isValid(code, of: bytes + [0]), "a key accepts the code of something else")
        default: return false
        }
        return true
    }
}

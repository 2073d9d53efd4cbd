import ACME
import ConfigurationFile
import SigningPolicy
import TOML

@testable import AgentService

extension FuzzTarget {
    private static let tomlTokens = [
        "\n", "[a]\n", "[[a]]\n", "a.b.\"c\" = ", "\"\"\"", "'''", "\\u0000", "\\U0001F600", "\\\n  ", "1979-05-27T07:32:00Z", "07:32:00.5",
        "0x", "1_0", "+inf", "nan", "{a = 1}", "[1, 2]", "# c\n", "é", "\u{FEFF}",
    ]

    /// The reader of TOML. What it reads can be written and is read again with the same values; an error has its place in
    /// the text.
    static let toml = FuzzTarget("toml", tokens: tomlTokens) {
        [
            """
            a = "x\\u00e9"
            [b.c]
            d = [1, 0x1F, 1_000.5, { e = true, 'f g' = inf }]
            when = 1979-05-27T07:32:00.25-07:30
            [[t]]
            day = 1979-05-27
            [[t]]
            time = 07:32:00
            text = '''
            raw'''
            """
        ].map { Array($0.utf8) }
    } check: { bytes in
        let table: TOMLTable
        do throws(TOMLError) { table = try TOML.parse(bytes) } catch {
            let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
            try expect((1...lines).contains(error.position.line) && error.position.column >= 1, "an error is outside the text: \(error)")
            try expect(error.position.column <= bytes.count + 1, "an error is beyond the end of its line: \(error)")
            return false
        }
        let once = TOMLWriter.text(table)
        let again = try must("what was written is refused: \(once)") { try TOML.parse(Array(once.utf8)) }
        try expect(TOMLWriter.text(again) == once, "what was written has other values")
        return true
    }

    /// The daemon's configuration and the policy in it. Each grant that is read is in force or off; its patterns have one
    /// form; no grant has an operation without the stronger one; an error is at a line of the file.
    static let configuration = FuzzTarget(
        "configuration", longest: 16_384,
        tokens: tomlTokens + [
            "[[grant]]\n", "[[token]]\n", "[[external-account]]\n", "[audit]\n", "[grant.rate]\n", "name = \"a\"\n", "users = [\"root\"]\n",
            "users = [0]\n", "groups = [\"4294967295\"]\n", "keys = [\"web-*\"]\n", "operations = [\"issue\"]\n", "identifiers = [\"*\"]\n",
            "identifiers = [\"*.example.org\", \"192.0.2.0/24\"]\n", "cas = [\"https://localhost:*\"]\n", "wildcards = true\n",
            "socket = \"/run/x\"\n", "listen = [{ socket = \"/a\" }]\n", "pool = 64\n", "connections = 0\n", "pin-source = \"/x\"\n",
        ]
    ) {
        let operations = Operation.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        return [
            """
            socket = "/run/acme-agent/agent.sock"
            [[token]]
            name = "main"
            module = "/usr/lib/softhsm/libsofthsm2.so"
            uri = "pkcs11:token=main"
            pin-source = "/etc/acme-agent/pin"
            environment = { SOFTHSM2_CONF = "/etc/softhsm2.conf" }
            [[external-account]]
            name = "eab"
            directory = "https://ca.test/dir"
            key-id = "k"
            hmac-key-file = "/etc/acme-agent/hmac"
            [[grant]]
            name = "all"
            users = ["0", "1000"]
            groups = ["33"]
            keys = ["web-*", "account-1"]
            operations = [\(operations)]
            identifiers = ["www.example.org", "*.example.org", "192.0.2.0/24", "2001:db8::1"]
            wildcards = true
            cas = ["https://ca.test", "https://localhost:*"]
            external-accounts = ["eab"]
            """
        ].map { Array($0.utf8) }
    } check: { bytes in
        let settings: AgentConfiguration, policy: Policy
        var off: [OffEntry] = []
        do throws(ConfigurationError) {
            settings = try AgentConfiguration(ConfigurationFile.parse(bytes, file: "x.toml"))
            policy = try Policy(settings.grants, answers: [:], off: &off)
        } catch {
            let lines = bytes.count { $0 == UInt8(ascii: "\n") } + 1
            try expect(error.line.map { (1...lines).contains($0) } ?? true, "an error is outside the file: \(error)")
            return false
        }
        try check(settings, policy, off)
        return true
    }

    private static func check(_ settings: AgentConfiguration, _ policy: Policy, _ off: [OffEntry]) throws {
        try expect(policy.grants.count + off.count == settings.grants.count, "a grant is neither in force nor off")
        for grant in policy.grants {
            try expect(!grant.peers.isEmpty && !grant.operations.isEmpty, "a grant without peers or operations is in force")
            try expect(grant.operations.incomplete == nil, "a grant has an operation without the stronger one")
            for pattern in grant.identifiers {
                let again = try must("a pattern's form is refused: \(pattern)") { try IdentifierPattern(pattern.description) }
                try expect(again == pattern, "a pattern has two forms: \(pattern)")
            }
            for pattern in grant.keys {
                let again = try must("a pattern's form is refused: \(pattern)") { try KeyPattern(pattern.description) }
                try expect(again == pattern, "a pattern has two forms: \(pattern)")
            }
            for pattern in grant.cas {
                let again = try must("a pattern's form is refused: \(pattern)") { try CAPattern(pattern.description) }
                try expect(again == pattern, "a pattern has two forms: \(pattern)")
            }
        }
        for token in settings.tokens {
            try expect(token.module.hasPrefix("/") && token.uri.hasPrefix("pkcs11:"), "a token has an invalid module or URI")
        }
    }
}

/// Writes a document as its values alone, one key a line: positions, comments and the kinds of notation are lost.
private enum TOMLWriter {
    static func text(_ table: TOMLTable) -> String {
        table.members.map { "\(quoted($0.key)) = \(text($0.node.value))\n" }.joined()
    }

    private static func text(_ value: TOMLValue) -> String {
        switch value {
        case .string(let text): quoted(text)
        case .integer(let number): String(number)
        case .float(let number): float(number)
        case .boolean(let value): value ? "true" : "false"
        case .offsetDateTime(let date, let time, let offset):
            "\(text(date))T\(text(time))\(offset < 0 ? "-" : "+")\(digits(abs(offset) / 60, 2)):\(digits(abs(offset) % 60, 2))"
        case .localDateTime(let date, let time): "\(text(date))T\(text(time))"
        case .localDate(let date): text(date)
        case .localTime(let time): text(time)
        case .array(let elements): "[" + elements.map { text($0.value) }.joined(separator: ", ") + "]"
        case .table(let table): "{" + table.members.map { "\(quoted($0.key)) = \(text($0.node.value))" }.joined(separator: ", ") + "}"
        }
    }

    private static func float(_ number: Double) -> String {
        if number.isNaN { return "nan" }
        return number.isInfinite ? (number < 0 ? "-inf" : "inf") : "\(number)"
    }

    private static func text(_ date: TOMLDate) -> String { "\(digits(date.year, 4))-\(digits(date.month, 2))-\(digits(date.day, 2))" }

    private static func text(_ time: TOMLTime) -> String {
        "\(digits(time.hour, 2)):\(digits(time.minute, 2)):\(digits(time.second, 2)).\(digits(time.nanosecond, 9))"
    }

    private static func digits(_ number: Int, _ count: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22, 0x5C: result += "\\\(scalar)"
            case 0..<0x20, 0x7F: result += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

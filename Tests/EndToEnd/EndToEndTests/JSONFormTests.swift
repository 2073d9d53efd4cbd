import Foundation
import Testing

/// A member of `--json` has the same type and form in all commands.
///
/// A member of the object itself is the result: `{"certificate": Certificate}`, `{"failed": [...]}`. Below it, a member
/// of the same name may say which one: `"certificate": name`. So the two are kept apart.
@Suite struct JSONFormTests {
    fileprivate enum Value: Decodable {
        case string(String)
        case number(Double)
        case bool
        case null
        case array([Value])
        case object([String: Value])

        init(from decoder: any Decoder) throws {
            let one = try decoder.singleValueContainer()
            if one.decodeNil() {
                self = .null
            } else if let value = try? one.decode(String.self) {
                self = .string(value)
            } else if (try? one.decode(Bool.self)) != nil {
                self = .bool
            } else if let value = try? one.decode(Double.self) {
                self = .number(value)
            } else if let values = try? one.decode([Value].self) {
                self = .array(values)
            } else {
                self = .object(try one.decode([String: Value].self))
            }
        }

        var type: String {
            switch self {
            case .string: "string"
            case .number: "number"
            case .bool: "bool"
            case .null: "null"
            case .array: "array"
            case .object: "object"
            }
        }
    }

    /// Types by member, with the command where each was seen.
    private struct Vocabulary {
        private(set) var types: [String: [String: String]] = [:]
        private(set) var objects = 0

        mutating func add(_ text: String, of command: String) throws {
            guard case .object(let object) = try JSONDecoder().decode(Value.self, from: Data(text.utf8)) else { return }
            objects += 1
            add(object, command, isTop: true)
        }

        private mutating func add(_ object: [String: Value], _ command: String, isTop: Bool) {
            for (name, value) in object {
                // What is absent, or not known, has no type.
                if case .null = value { continue }
                types[(isTop ? "top " : "") + name, default: [:]][value.type] = command
                if case .string(let text) = value, !text.contains("[..]") {
                    // Whatever the name, what begins as a time is one.
                    let form = JSONFormTests.forms[name] ?? (text.contains(/^\d{4}-\d\d-\d\d[T ]/) ? JSONFormTests.time : nil)
                    let fits = form.map { text.range(of: "^(\($0))$", options: .regularExpression) != nil } ?? true
                    #expect(fits, "\(name) of \(command): \(text)")
                }
                if case .number(let number) = value {
                    let isTime = JSONFormTests.epochs.contains { $0.contains(number) }
                    #expect(!isTime, "\(name) of \(command) is not RFC 3339: \(number)")
                }
                // Kinds of records and names of packages are no members, and those of a JWK are RFC 7517's.
                guard !["kinds", "dependencies", "jwk"].contains(name) else { continue }
                for inner in value.objects { add(inner, command, isTop: false) }
            }
        }
    }

    fileprivate static let time = #"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"#
    /// Forms of strings.
    fileprivate static let forms = [
        "notBefore": time, "notAfter": time, "renewalDue": time, "installed": time, "created": time, "loaded": time, "started": time,
        "requested": time, "until": time, "due": time, "retryAt": time, "made": time, "begins": time, "ends": time, "last": time,
        "since": time, "persistUntil": time, "date": time, "time": time,
        "fingerprint": "[0-9a-f]{64}", "sha256": "[0-9a-f]{64}", "trail": "[0-9a-f]{32}", "serial": "[0-9a-f]+",
        "head": "[0-9]+:[0-9a-f]{64}",
        "thumbprint": "[A-Za-z0-9_-]{43}", "directory": "https://.*", "url": "https://.*", "uri": "pkcs11:.*", "folder": "/.*",
        "socket": "/.*", "stateDirectory": "/.*", "day": #"\d{4}-\d\d-\d\d"#, "hash": "[0-9a-f]{64}",
    ]

    /// Seconds, milliseconds and nanoseconds since 1970 of the years 2001 to 2128: no number that a command prints is as
    /// great, except a time in a form that the other times do not have. The user 65534 and an RSA key's size are less.
    fileprivate static let epochs: [Range<Double>] = [1e9..<5e9, 1e12..<5e12, 1e18..<5e18]

    private func command(_ text: String) -> String { text.split(separator: " ").prefix(3).joined(separator: " ") }

    @Test func aMemberHasOneTypeEverywhere() async throws {
        var vocabulary = Vocabulary()
        // The sessions.
        let folder = Program.root + "/Tests/EndToEnd/Sessions"
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name.hasSuffix(".txt") {
            for case .command(let command) in try Session(String(contentsOfFile: folder + "/" + name, encoding: .utf8)).elements {
                for line in command.expected.output where line.hasPrefix("{") && line.hasSuffix("}") && command.text.contains("--json") {
                    // What differs between runs is left open there.
                    var text = line
                    for (mark, value) in [(":[..]", ":0"), ("[DIRECTORY]", "https://[..]"), ("[SANDBOX]", "/sandbox")] {
                        text = text.replacingOccurrences(of: mark, with: value)
                    }
                    try vocabulary.add(text, of: "\(name): \(self.command(command.text))")
                }
            }
        }
        let ofSessions = vocabulary.objects
        #expect(ofSessions >= 9)

        // And as many commands as one agent can answer.
        let sandbox = try await Sandbox()
        let place = sandbox.folder
        let lines = [
            "account register --agree-tos", "account show", "account list", "account update --email admin@example.org", "ca list",
            "ca show",
            "issue -d www.example.org", "issue -d www.example.org", "issue -d other.example.net", "list", "show www.example.org",
            "show www.example.org --out \(place)/chain.pem", "renew --all", "renew www.example.org --force", "renew nowhere.example.org",
            "csr intranet -d intranet.example.org", "csr intranet --out \(place)/csr.pem", "import intranet \(place)/chain.pem", "list",
            "apply --dry-run",
            "keys create extra", "keys list", "keys show extra", "keys retire extra --yes", "keys delete extra --yes", "status",
            "policy check --order www.example.org", "policy check --order www.example.net", "policy matrix", "report",
            "report --html \(place)/report.html", "report --audit-file \(place)/agentd/audit/audit.jsonl", "metrics",
            "audit verify \(place)/agentd/audit/audit.jsonl", "audit tail -n 1", "doctor --connect 127.0.0.1:1",
            "deploy nginx www.example.org", "deploy nginx www.example.org --check", "persist www.example.org",
            "persist www.example.org --until 2100-01-31",
            "challenge test www.example.org", "migrate certbot \(place)", "root-deploy --all", "account rollover",
            "revoke www.example.org", "forget www.example.org --yes", "account recover", "account deactivate --yes",
            "show nowhere.example.org",
        ]
        for line in lines {
            let said = try await sandbox.agent(line.split(separator: " ").map(String.init) + ["--json"])
            for object in said.output.split(separator: "\n") where !line.hasPrefix("audit tail") {
                try vocabulary.add(String(object), of: line)
            }
            #expect(said.output.hasPrefix("{"), "acme-agent \(line): \(said)")
        }
        await sandbox.end()
        #expect(vocabulary.objects >= ofSessions + lines.count - 1)

        for (name, types) in vocabulary.types.sorted(by: { $0.key < $1.key }) {
            #expect(types.count == 1, "\(name): \(types)")
        }
        let page = try String(contentsOfFile: Program.root + "/Docs/cli.md", encoding: .utf8)
        for name in Set(vocabulary.types.keys.map { $0.hasPrefix("top ") ? String($0.dropFirst(4)) : $0 }).sorted() {
            // Of the interface's types, which protocol.md describes.
            let isThere = page.contains("\"\(name)\"") || page.contains("`\(name)`")
            let interface = try String(
                contentsOfFile: Program.root + "/Sources/Protocols/AgentInterface/AgentInterfaceText.swift", encoding: .utf8)
            #expect(isThere || interface.contains("\(name):"), "Docs/cli.md does not have \"\(name)\"")
        }
    }
}

extension JSONFormTests.Value {
    /// The objects that it is, or has as elements.
    fileprivate var objects: [[String: Self]] {
        switch self {
        case .object(let object): [object]
        case .array(let values): values.flatMap(\.objects)
        case .string, .number, .bool, .null: []
        }
    }
}

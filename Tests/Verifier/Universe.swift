import Glibc

/// What policies and requests are made of.
enum Universe {
    /// The user as whom this program asks for what is no test.
    static let control = Peer(user: Int(geteuid()), groups: [Int(getegid())])

    /// As root several users, otherwise one.
    static let peers: [Peer] =
        geteuid() == 0
        ? [
            Peer(user: 41_001, groups: [42_001]), Peer(user: 41_002, groups: [42_002, 42_001, 42_004]),
            Peer(user: 41_003, groups: [42_003]), Peer(user: 41_004, groups: [41_004, 42_004]),
            Peer(user: 65_534, groups: [65_534, 42_001]),
            control,
        ] : [control]
    static let groups = [42_001, 42_002, 42_003, 42_004, 0]

    static let directories = [
        "https://ca.example/directory", "https://ca.example:8443/acme/prov/directory", "https://other.example/dir",
        "https://localhost:14000/dir",
    ]
    static let cas = [
        "https://ca.example", "https://ca.example:8443", "https://other.example", "https://localhost:*", "https://127.0.0.1:*",
        "https://localhost:14000", "https://never.example",
    ]
    static let keys = [
        "account-a", "account-a-2", "account-b", "account-local", "acc", "web", "web-2", "web.example.org", "db", "mail", "ed", "p384",
        "rsa",
    ]
    /// Labels of keys in the token that the agent has not made.
    static let adoptable = ["adopt-1", "adopt-2", "adopt-3"]
    static let keyPatterns = keys + ["*", "account-*", "account-a*", "web*", "web-*", "w*", "none-*", "d*", "e*", "p*", "r*", "none"]
    static let patterns = [
        "example.org", "www.example.org", "*.example.org", "*", "192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "2001:db8::1",
        "*.www.example.org",
        "a.b.example.org", "xn--bcher-kva.example.org", "*.com",
    ]
    static let names = [
        "example.org", "www.example.org", "a.b.example.org", "x.www.example.org", "evil-example.org", "mail.example.org",
        "example.org.evil.com",
        "evil.com", "xexample.org",
    ]
    static let addresses = ["192.0.2.7", "192.0.2.200", "192.0.3.1", "2001:db8::1", "2001:db9::1", "10.0.0.1"]
    static let operations = Operation.allCases.map(\.rawValue) + ["issue", "account", "administer", "issue", "account", "administer"]
    /// Those that may be 0.
    static let rates = ["orders-per-day", "revocations-per-day", "new-keys-per-day"]

    static func isAccount(_ key: String) -> Bool { key.hasPrefix("acc") }

    static func algorithm(_ key: String) -> String {
        switch key {
        case "ed": "Ed25519"
        case "p384": "P-384"
        case "rsa": "RSA-2048"
        default: "P-256"
        }
    }

    static func directory(_ key: String) -> String? {
        switch key {
        case "account-a", "account-a-2", "acc": directories[0]
        case "account-b": directories[1]
        case "account-local": directories[3]
        default: isAccount(key) ? directories[2] : nil
        }
    }

    /// What this program itself needs.
    static let controlGrant = Grant(
        name: "control", users: [control.user], keys: ["*"],
        operations: ["create-key", "adopt-key", "retire-key", "delete-key", "list-keys", "read-audit"], cas: cas)
}

/// SplitMix64: the same numbers for the same seed.
struct Generator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { limit > 0 ? Int(next() % UInt64(limit)) : 0 }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    mutating func pick<Element>(_ list: [Element]) -> Element { list[below(list.count)] }
    mutating func some<Element>(_ list: [Element], _ count: Int) -> [Element] { (0..<count).map { _ in pick(list) } }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(next() & 0xFF) } }
}

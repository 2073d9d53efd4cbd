/// A key as this program saw it made.
struct KeyRecord {
    enum Usage: String {
        case account, certificate
    }

    var name: String
    var usage: Usage
    /// The interface's word, such as `P-256`.
    var algorithm: String
    var directory: String?
    var isRetired = false
    var publicKey: PublicKey

    /// The origin of the CA to which an account's key is bound.
    var origin: String? {
        guard let directory, case .valid(let location) = Location.read(directory) else { return nil }
        return location.origin
    }

    /// Lower-case letters, digits, dots, dashes and underscores, beginning with a letter or digit (Config/acme-agentd.toml
    /// has the rule for a token's name).
    static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...64).contains(bytes.count), let first = bytes.first else { return false }
        func isPlain(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) }
        guard isPlain(first), bytes.allSatisfy({ isPlain($0) || ".-_".utf8.contains($0) }) else { return false }
        return !text.contains("..")
    }
}

extension KeyRecord {
    /// - Parameter reply: The `key` of a reply.
    init?(_ reply: JSON) {
        guard let name = reply["name"]?.string, let usage = reply["usage"]?.string.flatMap(Usage.init),
            let algorithm = reply["algorithm"]?.string, let spki = reply["publicKey"]?.string.flatMap({ Base64URL.decodePEM($0) }),
            let key = PublicKey(spki: spki)
        else { return nil }
        self.name = name
        self.usage = usage
        self.algorithm = algorithm
        directory = reply["directory"]?.string
        isRetired = reply["state"] == .string("retired")
        publicKey = key
    }
}

/// The state of everything at one time: what the policy and the keys were when a call was judged.
struct World {
    var policy: Policy
    /// By name.
    var keys: [String: KeyRecord]
}

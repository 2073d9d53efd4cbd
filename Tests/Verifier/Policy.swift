/// Who asks, as the kernel shows it (Docs/policy.md, "Who the caller is").
struct Peer: Hashable, Comparable {
    var user: Int
    /// The effective group first.
    var groups: [Int]

    static func < (left: Peer, right: Peer) -> Bool { left.user < right.user }
}

/// A grant as Docs/policy.md describes it: every question is answered by going through its lists.
struct Grant: Equatable {
    var name: String
    var users: [Int] = []
    /// Names that no user of this machine has. With one, the whole grant is off.
    var missingUsers: [String] = []
    var groups: [Int] = []
    var keys: [String] = []
    /// Operations and bundles.
    var operations: [String] = []
    var identifiers: [String] = []
    var wildcards = false
    var cas: [String] = []
    var externalAccounts: [String] = []
    /// Settings of `rate` that are 0, which never allow the request.
    var zeroRates: [String] = []

    func isFor(_ peer: Peer) -> Bool {
        guard missingUsers.isEmpty, peer.user != 65_534 else { return false }
        for user in users where user == peer.user { return true }
        for group in groups { for own in peer.groups where own == group { return true } }
        return false
    }

    func names(_ operation: Operation) -> Bool {
        for word in operations {
            if word == operation.rawValue { return true }
            for one in Operation.bundles[word] ?? [] where one == operation { return true }
        }
        return false
    }

    func covers(key: String) -> Bool {
        for pattern in keys {
            if pattern == key { return true }
            if pattern.hasSuffix("*"), key.hasPrefix(pattern.dropLast()) { return true }
        }
        return false
    }

    func covers(_ name: Name) -> Bool {
        if name.isWildcard, !wildcards { return false }
        for pattern in identifiers where Grant.pattern(pattern, covers: name) { return true }
        return false
    }

    private static func pattern(_ pattern: String, covers name: Name) -> Bool {
        if pattern == "*" { return true }
        switch name.kind {
        case .dns:
            if pattern.hasPrefix("*.") {
                guard let dot = name.value.firstIndex(of: ".") else { return false }
                return name.value[dot...] == pattern.dropFirst()
            }
            return pattern == name.value
        case .ip:
            guard let address = Address.read(name.value) else { return false }
            let parts = pattern.split(separator: "/")
            guard let base = Address.read(String(parts[0])), base.count == address.count else { return false }
            let length = parts.count == 2 ? Int(parts[1]) ?? 0 : address.count * 8
            for bit in 0..<length where (base[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1 == 1 { return false }
            return true
        }
    }

    func covers(origin: String) -> Bool {
        for ca in cas {
            if ca == origin { return true }
            for host in ["localhost", "127.0.0.1", "[::1]"] where ca == "https://\(host):*" {
                if origin == "https://\(host)" || origin.hasPrefix("https://\(host):") { return true }
            }
        }
        return false
    }

    /// Whether a rate of 0 forbids the operation ("Rates").
    func neverAllows(_ operation: Operation) -> Bool {
        let setting: String? =
            switch operation {
            case .newOrder: "orders-per-day"
            case .revokeCertificate: "revocations-per-day"
            case .createKey, .adoptKey: "new-keys-per-day"
            default: nil
            }
        for zero in zeroRates where zero == setting { return true }
        return false
    }
}

/// What one request needs a single grant to cover.
struct Need {
    var operation: Operation
    var keys: [String]
    var names: [Name] = []
    /// The CA's origin, if the request is for one.
    var origin: String?
    var externalAccount: String?
}

struct Policy: Equatable {
    var grants: [Grant]

    /// - Parameter countsRates: Whether a rate of 0 forbids what is asked for.
    func allows(_ peer: Peer, _ need: Need, countsRates: Bool = true) -> Bool {
        for grant in grants {
            guard grant.isFor(peer), grant.names(need.operation), !countsRates || !grant.neverAllows(need.operation) else { continue }
            guard need.keys.allSatisfy({ grant.covers(key: $0) }), need.names.allSatisfy({ grant.covers($0) }) else { continue }
            if let origin = need.origin, !grant.covers(origin: origin) { continue }
            if let account = need.externalAccount, !grant.externalAccounts.contains(account) { continue }
            return true
        }
        return false
    }

    /// Whether any grant of the peer's covers the key, for anything: such a key is the peer's.
    func isOwn(_ key: String, _ peer: Peer) -> Bool {
        for grant in grants where grant.isFor(peer) && grant.covers(key: key) { return true }
        return false
    }

    /// The `[[grant]]` tables.
    var text: String {
        func list(_ texts: [String]) -> String { "[" + texts.map { JSON.string($0).text() }.joined(separator: ", ") + "]" }
        var text = ""
        for grant in grants {
            text += "\n[[grant]]\nname = \"\(grant.name)\"\n"
            text += "users = [" + (grant.users.map { String($0) } + grant.missingUsers.map { "\"\($0)\"" }).joined(separator: ", ") + "]\n"
            text += "groups = [" + grant.groups.map { String($0) }.joined(separator: ", ") + "]\n"
            text += "keys = \(list(grant.keys))\noperations = \(list(grant.operations))\nidentifiers = \(list(grant.identifiers))\n"
            text += "wildcards = \(grant.wildcards)\ncas = \(list(grant.cas))\nexternal-accounts = \(list(grant.externalAccounts))\n"
            if !grant.zeroRates.isEmpty { text += "rate = { " + grant.zeroRates.map { "\($0) = 0" }.joined(separator: ", ") + " }\n" }
        }
        return text
    }
}

/// What a soak's users have: keys of their own, and a policy of which one part comes and goes.
enum SoakUniverse {
    struct User {
        /// The beginning of the names of its keys.
        var name: String
        var peer: Peer

        var account: String { name + "-account" }
        var rsa: String { name + "-rsa" }
        var ed25519: String { name + "-ed" }
        var certificates: [String] { [name + "-web", name + "-mail", rsa, ed25519] }
    }

    /// As root three users, otherwise this program's own.
    static let users: [User] = zip(["a", "b", "c"], Universe.peers).map { User(name: $0, peer: $1) }

    static let directory = Universe.directories[0]
    static let origin = "https://ca.example"
    static let layout = Layouts.all[1]

    /// A name that every policy allows, one that every other policy allows, and one that none does.
    static let name = "www.example.org", coming = "www.example.net", foreign = "www.example.com"

    /// - Parameter isWide: Whether `coming` may be ordered.
    static func policy(isWide: Bool) -> Policy {
        Policy(
            grants: [Universe.controlGrant]
                + users.map { user in
                    Grant(
                        name: user.name, users: [user.peer.user], keys: [user.name + "-*"],
                        operations: ["issue", "account", "administer", "sign-certificate-request", "sign-handshake"],
                        identifiers: ["*.example.org"] + (isWide ? ["*.example.net"] : []), cas: [origin])
                })
    }

    static func creation(_ name: String, algorithm: String = "P-256", isAccount: Bool = false) -> Call {
        Call(
            method: "CreateKey",
            parameters: .members([
                ("name", .string(name)), ("usage", .string(isAccount ? "account" : "certificate")), ("algorithm", .string(algorithm)),
                ("directory", isAccount ? .string(directory) : nil),
            ]))
    }
}

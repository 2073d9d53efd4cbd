import DurableFile
import Glibc

/// The user who will renew what another tool has renewed, as far as the state directory tells.
struct RenewingUser {
    /// As whom the units of acme-agent renew.
    static let systemUser = "acme-agent-client"

    /// The name, or the number of a user without one.
    var name: String
    /// The user's part of an account key's name; `nil` if the user does not exist yet.
    var keyPart: String?
    /// Whether the units of acme-agent renew: `acme-agent-renew.timer`, and `acme-agent-deploy` for root's hooks.
    var hasUnits: Bool

    var isRoot: Bool { name == "root" }

    init(name: String, keyPart: String?, hasUnits: Bool) {
        self.name = name
        self.keyPart = keyPart
        self.hasUnits = hasUnits
    }

    /// The owner of the state directory; where there is none yet, the one for whom it will be made.
    init(_ settings: Settings) {
        let isSystemStore = settings.stateDirectory == Environment.rootStateDirectory
        let owner = StoreOwner.status(of: settings.stateDirectory)?.owner
        if owner == nil, isSystemStore {
            let user = LocalUser(named: Self.systemUser)
            self.init(
                name: Self.systemUser, keyPart: user.map { AccountKeyNames.user(named: $0.name, number: $0.id) }, hasUnits: true)
            return
        }
        let number = owner ?? (geteuid() == 0 ? Self.owner(above: settings.stateDirectory) : geteuid()), user = LocalUser(id: number)
        self.init(
            name: user?.name ?? "\(number)", keyPart: AccountKeyNames.user(named: user?.name, number: number),
            hasUnits: isSystemStore && user?.name == Self.systemUser)
    }

    /// The owner of the first folder above that exists: root prints for a user who has no store yet.
    private static func owner(above path: String) -> UInt32 {
        let above = DurableFile.parent(of: path)
        guard above != path else { return 0 }
        return StoreOwner.status(of: above)?.owner ?? owner(above: above)
    }
}

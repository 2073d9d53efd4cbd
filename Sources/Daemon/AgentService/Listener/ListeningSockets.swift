import ConfigurationFile
import DurableFile
import Glibc
import Synchronization

/// The daemon's sockets: those that it makes, each with its claim on the path, and those that systemd has passed. A
/// reload may add some and remove others.
final class ListeningSockets: Sendable {
    typealias Setting = AgentConfiguration.ListenSetting

    /// A socket by its canonical path, ready for connections.
    struct Opened: Sendable {
        let path: String
        let descriptor: CInt
    }

    fileprivate struct Entry: Sendable {
        var setting: Setting
        /// `nil` for a socket of systemd's: mode, group, folder and removal are systemd's too.
        let claim: SocketPath?
        /// What the socket has; `nil` before it is made, and after a change that failed.
        var access: SocketPath.Access?
    }

    private let entries: Mutex<[Entry]>
    /// By canonical path.
    private let passed: [String: CInt]
    private let changeGroup: SocketPath.ChangeGroup

    /// Takes the paths.
    /// - Parameter user: As which the daemon runs.
    /// - Throws: `ListenError`, also for a passed socket that the configuration does not name; `OwnershipError`.
    init(
        _ settings: [Setting], passed: PassedSockets = .none, user: UInt32 = geteuid(),
        changeGroup: @escaping SocketPath.ChangeGroup = SocketPath.changeGroup
    ) throws {
        self.passed = passed.descriptors
        self.changeGroup = changeGroup
        let known = Set(settings.map(\.canonicalPath))
        if let stranger = passed.descriptors.keys.filter({ !known.contains($0) }).min() {
            throw ListenError(
                description: "systemd passed the socket \(stranger), which the configuration does not name",
                hint: "add a [[listen]] with this path, or remove the path from the socket unit")
        }
        var entries: [Entry] = []
        do {
            for setting in settings {
                let isPassed = passed.descriptors[setting.canonicalPath] != nil
                entries.append(try isPassed ? ListeningSockets.passed(setting, user) : ListeningSockets.claim(setting, changeGroup))
            }
        } catch {
            for entry in entries { entry.claim?.release() }
            throw error
        }
        self.entries = Mutex(entries)
    }

    private static func claim(_ setting: Setting, _ changeGroup: @escaping SocketPath.ChangeGroup) throws -> Entry {
        Entry(setting: setting, claim: try SocketPath(setting.path, mode: setting.mode, changeGroup: changeGroup))
    }

    private static func passed(_ setting: Setting, _ user: UInt32) throws -> Entry {
        let path = DurableFile.parent(of: setting.path)
        // Who can write there could put another socket in this one's place.
        let owner = try Folder.open(path, as: .configuration).status().owner
        // A folder that systemd makes for a socket is root's. The daemon listens too, so that clients see its user.
        guard owner == user else {
            throw ListenError(
                description: "the folder \(path) of the socket that systemd passed belongs to uid \(owner) and not to the daemon's user "
                    + "(uid \(user)), so clients would not trust the daemon",
                hint: "chown \(user) \(path), and make the folder with a line in tmpfiles.d, so that systemd finds it")
        }
        return Entry(setting: setting, claim: nil)
    }

    /// Makes the sockets, or takes the passed ones.
    /// - Parameter groups: The groups that were found, by path. Until its group is found, no group has access to a
    ///   socket.
    func open(groups: [String: UInt32], backlog: CInt) throws -> [Opened] {
        try entries.withLock { entries in
            var opened: [Opened] = []
            do {
                for index in entries.indices { opened.append(try open(&entries[index], groups, backlog)) }
                return opened
            } catch {
                for socket in opened { close(socket.descriptor) }
                throw error
            }
        }
    }

    private func open(_ entry: inout Entry, _ groups: [String: UInt32], _ backlog: CInt) throws -> Opened {
        let setting = entry.setting
        guard let claim = entry.claim, passed[setting.canonicalPath] == nil else {
            guard let descriptor = passed[setting.canonicalPath] else {
                throw ListenError(description: "the socket \(setting.path) was not passed")
            }
            return Opened(path: setting.canonicalPath, descriptor: descriptor)
        }
        let access = setting.access(groups)
        let descriptor = try claim.bind(access, backlog: backlog)
        entry.access = access
        return Opened(path: setting.canonicalPath, descriptor: descriptor)
    }

    /// Gives each of the daemon's own sockets the mode and group that it should have, if it has others. What fails is
    /// tried again by the next call.
    /// - Parameter groups: The groups that were found, by path.
    /// - Returns: What failed.
    func settle(groups: [String: UInt32]) -> [OffEntry] {
        entries.withLock { entries in
            var faults: [OffEntry] = []
            for index in entries.indices {
                let setting = entries[index].setting, access = setting.access(groups)
                guard let claim = entries[index].claim, entries[index].access != access else { continue }
                entries[index].access = nil
                do {
                    try claim.give(access)
                    entries[index].access = access
                } catch {
                    let hint = (error as? ListenError)?.hint
                    faults.append(setting.offAccess("\(error)" + (hint.map { " (\($0))" } ?? "")))
                }
            }
            return faults
        }
    }

    // MARK: Reload

    /// What a reload changes. New sockets are ready when it is made; it takes effect, or is undone, as a whole.
    struct Change: Sendable {
        fileprivate var entries: [Entry] = []
        fileprivate var added: [Entry] = []
        fileprivate var removed: [Entry] = []
        /// Sockets on which to listen from now on.
        var opened: [Opened] = []
        /// Canonical paths of sockets on which to listen no more.
        var closed: [String] { removed.map(\.setting.canonicalPath) }
    }

    /// - Throws: `ConfigurationError` at the socket that cannot be opened, or if a passed one is to be closed.
    func prepare(
        _ settings: [Setting], groups: [String: UInt32], file: String, backlog: CInt
    ) throws(ConfigurationError) -> Change {
        let current = entries.withLock { $0 }
        var change = Change()
        let wanted = Set(settings.map(\.canonicalPath))
        change.removed = current.filter { !wanted.contains($0.setting.canonicalPath) }
        if let kept = change.removed.first(where: { $0.claim == nil }) {
            throw ConfigurationError(
                file: file, line: nil, message: "the socket \(kept.setting.path), which systemd passed, cannot be removed by a reload",
                hint: "remove it from the socket unit too, and restart both")
        }
        for setting in settings {
            if var same = current.first(where: { $0.setting.canonicalPath == setting.canonicalPath }) {
                same.setting = setting
                change.entries.append(same)
                continue
            }
            do {
                var entry = try ListeningSockets.claim(setting, changeGroup)
                do { change.opened.append(try open(&entry, groups, backlog)) } catch {
                    entry.claim?.release()
                    throw error
                }
                change.added.append(entry)
                change.entries.append(entry)
            } catch {
                undo(change)
                throw setting.error("cannot be opened: \(error)", hint: (error as? ListenError)?.hint)
            }
        }
        return change
    }

    func undo(_ change: Change) {
        for socket in change.opened { close(socket.descriptor) }
        for entry in change.added {
            entry.claim?.remove()
            entry.claim?.release()
        }
    }

    /// Puts the change into effect. The caller closes the removed sockets, and settles those that stay.
    func commit(_ change: Change) {
        for entry in change.removed {
            entry.claim?.remove()
            entry.claim?.release()
        }
        entries.withLock { $0 = change.entries }
    }

    // MARK: End

    /// Removes the sockets, so that clients learn at once that the agent is gone. Passed ones stay: systemd still has
    /// them.
    func remove() {
        entries.withLock { entries in
            for entry in entries { entry.claim?.remove() }
        }
    }

    /// Lets another daemon use the paths.
    func release() {
        entries.withLock { entries in
            for entry in entries { entry.claim?.release() }
        }
    }
}

extension AgentConfiguration.ListenSetting {
    /// Until its group is found, no group has access.
    fileprivate func access(_ groups: [String: UInt32]) -> SocketPath.Access {
        guard group != nil else { return SocketPath.Access(mode: mode, group: nil) }
        guard let found = groups[path] else { return SocketPath.Access(mode: mode & ~0o070, group: nil) }
        return SocketPath.Access(mode: mode, group: found)
    }
}

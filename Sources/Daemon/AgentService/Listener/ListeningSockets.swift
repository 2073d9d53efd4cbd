import ConfigurationFile
import DurableFile
import Glibc
import Synchronization

/// The daemon's sockets: those that it makes, each with its claim on the path, and those that systemd has passed. A
/// reload may add some and remove others.
final class ListeningSockets: Sendable {
    typealias Setting = AgentConfiguration.ListenSetting

    /// A socket by its path in the configuration, ready for connections.
    struct Opened: Sendable {
        let path: String
        let descriptor: CInt
    }

    fileprivate struct Entry: Sendable {
        var setting: Setting
        /// `nil` for a socket of systemd's: mode, group, folder and removal are systemd's too.
        let claim: SocketPath?
    }

    private let entries: Mutex<[Entry]>
    /// By canonical path.
    private let passed: [String: CInt]

    /// Takes the paths.
    /// - Throws: `ListenError`, also for a passed socket that the configuration does not name; `OwnershipError`.
    init(_ settings: [Setting], passed: PassedSockets = .none) throws {
        self.passed = passed.descriptors
        let known = Set(settings.map(\.canonicalPath))
        if let stranger = passed.descriptors.keys.filter({ !known.contains($0) }).min() {
            throw ListenError(
                description: "systemd passed the socket \(stranger), which the configuration does not name",
                hint: "add a [[listen]] with this path, or remove the path from the socket unit")
        }
        var entries: [Entry] = []
        do {
            for setting in settings { entries.append(try ListeningSockets.claim(setting, self.passed)) }
        } catch {
            for entry in entries { entry.claim?.release() }
            throw error
        }
        self.entries = Mutex(entries)
    }

    private static func claim(_ setting: Setting, _ passed: [String: CInt]) throws -> Entry {
        guard passed[setting.canonicalPath] != nil else {
            return Entry(setting: setting, claim: try SocketPath(setting.path, mode: setting.mode))
        }
        // Who can write there could put another socket in this one's place.
        _ = try Folder.open(DurableFile.parent(of: setting.path), as: .configuration)
        return Entry(setting: setting, claim: nil)
    }

    /// Makes the sockets, or takes the passed ones.
    /// - Parameter groups: The groups that were found, by path. Until its group is found, no group has access to a
    ///   socket.
    func open(groups: [String: UInt32], backlog: CInt) throws -> [Opened] {
        try entries.withLock { entries in
            var opened: [Opened] = []
            do {
                for entry in entries { opened.append(try open(entry, groups, backlog)) }
                return opened
            } catch {
                for socket in opened { close(socket.descriptor) }
                throw error
            }
        }
    }

    private func open(_ entry: Entry, _ groups: [String: UInt32], _ backlog: CInt) throws -> Opened {
        let setting = entry.setting
        guard let claim = entry.claim, passed[setting.canonicalPath] == nil else {
            guard let descriptor = passed[setting.canonicalPath] else {
                throw ListenError(description: "the socket \(setting.path) was not passed")
            }
            return Opened(path: setting.path, descriptor: descriptor)
        }
        let group = groups[setting.path]
        return Opened(
            path: setting.path,
            descriptor: try claim.bind(mode: setting.mode(isGroupFound: group != nil), group: group, backlog: backlog))
    }

    /// Gives sockets to their groups, which were not known when they were made.
    /// - Returns: What failed, in sentences.
    func give(_ groups: [String: UInt32]) -> [String] {
        entries.withLock { entries in
            entries.compactMap { entry in
                guard let claim = entry.claim, let group = groups[entry.setting.path] else { return nil }
                do { try claim.give(to: group, mode: entry.setting.mode) } catch { return "\(error)" }
                return nil
            }
        }
    }

    // MARK: Reload

    /// What a reload changes. New sockets are ready when it is made; it takes effect, or is undone, as a whole.
    struct Change: Sendable {
        fileprivate var entries: [Entry] = []
        fileprivate var added: [Entry] = []
        fileprivate var removed: [Entry] = []
        fileprivate var groups: [String: UInt32] = [:]
        /// Sockets on which to listen from now on.
        var opened: [Opened] = []
        /// Paths of sockets on which to listen no more.
        var closed: [String] { removed.map(\.setting.path) }
    }

    /// - Throws: `ConfigurationError` at the socket that cannot be opened, or if a passed one is to be closed.
    func prepare(
        _ settings: [Setting], groups: [String: UInt32], file: String, backlog: CInt
    ) throws(ConfigurationError) -> Change {
        let current = entries.withLock { $0 }
        var change = Change()
        change.groups = groups
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
                let entry = try ListeningSockets.claim(setting, [:])
                do { change.opened.append(try open(entry, groups, backlog)) } catch {
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

    /// Puts the change into effect, with modes and groups of the sockets that stay. The caller closes the removed ones.
    /// - Returns: What failed, in sentences.
    func commit(_ change: Change) -> [String] {
        for entry in change.removed {
            entry.claim?.remove()
            entry.claim?.release()
        }
        let former = entries.withLock { entries in
            defer { entries = change.entries }
            return entries
        }
        return change.entries.compactMap { entry in
            guard let claim = entry.claim, let before = former.first(where: { $0.claim === claim })?.setting,
                before.mode != entry.setting.mode || before.group != entry.setting.group
            else { return nil }
            let group = entry.setting.group == nil ? getegid() : change.groups[entry.setting.path]
            do {
                try claim.give(to: group ?? getegid(), mode: entry.setting.mode(isGroupFound: group != nil))
            } catch { return "\(error)" }
            return nil
        }
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
    fileprivate func mode(isGroupFound: Bool) -> UInt32 { group == nil || isGroupFound ? mode : mode & ~0o070 }
}

import DurableFile
import Glibc

/// A running process of a server, as the kernel shows it (proc(5)).
struct ServerProcess: Sendable {
    var id: Int32
    var parent: Int32
    var name: String
    /// Effective ones.
    var user: UInt32
    var group: UInt32
    var groups: [UInt32]
    /// Whether it is root's in every respect. The name and the environment of a process say nothing if another user chose
    /// them, also those of a program that then became root.
    var isRoots: Bool
    /// Whether it is this user's own.
    private var isOwn: Bool
    /// Its folder in /proc, held open: that is never the folder of a later process with the same number.
    private let folder: Folder?

    private static let statusLimit = 64 * 1024
    private static let tableLimit = 16 << 20

    /// - Returns: `nil` if it has ended.
    init?(id: Int32) {
        guard let folder = try? Folder("/proc/\(id)"), let bytes = try? folder.read("status", limit: Self.statusLimit) else { return nil }
        self.init(id: id, status: String(decoding: bytes, as: UTF8.self), folder: folder)
    }

    /// - Parameter folder: `nil` if there is nothing to see but the status.
    init?(id: Int32, status: String, folder: Folder? = nil) {
        self.folder = folder
        var fields: [Substring: [Substring]] = [:]
        for line in status.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon]] = line[line.index(after: colon)...].split { $0 == "\t" || $0 == " " }
        }
        // A zombie has nothing left to see. The first number is the real one, the second the effective one.
        guard fields["State"]?.first != "Z", let name = fields["Name"]?.joined(separator: " "),
            let parent = fields["PPid"]?.first.flatMap({ Int32($0) }),
            let users = fields["Uid"]?.compactMap({ UInt32($0) }), users.count == 4,
            let group = fields["Gid"]?.dropFirst().first.flatMap({ UInt32($0) })
        else { return nil }
        self.id = id
        self.parent = parent
        self.name = name
        user = users[1]
        self.group = group
        isRoots = users.allSatisfy { $0 == 0 }
        isOwn = users.allSatisfy { $0 == geteuid() }
        groups = fields["Groups"]?.compactMap { UInt32($0) } ?? []
    }

    /// The processes with one of these names.
    static func all(named names: [String]) -> [ServerProcess] { all { names.contains($0.name) } }

    /// Each holds a descriptor while it is looked at.
    private static func all(where isMeant: (ServerProcess) -> Bool) -> [ServerProcess] {
        let numbers = (try? DurableFile.names(in: "/proc"))?.compactMap { Int32($0) } ?? []
        return numbers.compactMap { ServerProcess(id: $0).flatMap { isMeant($0) ? $0 : nil } }
    }

    /// Whether it is the server that its name says, and not a program that another user has given this name: it is root's
    /// or this user's own, runs a program of one of the names that only root can write, and is in no container.
    func isGenuine(named names: [String]) -> Bool {
        guard isRoots || isOwn, let folder, let program = link("exe") else { return false }
        // After an update the running program is another file.
        let deleted = " (deleted)", path = program.hasSuffix(deleted) ? String(program.dropLast(deleted.count)) : program
        guard names.contains(where: { path.hasSuffix("/" + $0) }) else { return false }
        var status = stat()
        guard stat(folder.kernelPath + "/exe", &status) == 0, status.st_uid == 0, status.st_mode & 0o022 == 0 else { return false }
        let own = try? Folder("/proc/self")
        return ["ns/pid", "ns/user"].allSatisfy { name in
            guard let theirs = link(name) else { return false }
            return theirs == own?.target(ofLink: name)
        }
    }

    /// Its root, if this user may know it; "/" counts as none.
    var root: String? {
        guard let root = link("root"), root != "/" else { return nil }
        return root
    }

    /// Whether this user may see the process's root, memory map and descriptors.
    var isVisible: Bool { link("root") != nil }

    private func link(_ name: String) -> String? { folder?.target(ofLink: name) }

    /// The path of a module that it has loaded; "" if it has not, `nil` if this user may not know.
    func loaded(module: String) -> String? {
        guard let bytes = try? folder?.read("maps", limit: Self.tableLimit) else { return nil }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            guard let slash = line.firstIndex(of: UInt8(ascii: "/")) else { continue }
            let path = String(decoding: line[slash...], as: UTF8.self)
            if path.hasSuffix("/" + module) || path.hasSuffix("/\(module) (deleted)") { return path }
        }
        return ""
    }

    /// A variable of the environment that it was started with; "" if it had none. `nil` if this user may not know, or
    /// the process has overwritten it, as nginx does with its title.
    func variable(_ name: String) -> String? {
        guard let bytes = try? folder?.read("environ", limit: Self.tableLimit) else { return nil }
        let entries = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard entries.contains(where: { $0.contains("=") }) else { return nil }
        return entries.first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) } ?? ""
    }

    /// The sockets that listen on a TCP port of this machine, by their numbers.
    static func listeners(on port: UInt16) -> Set<String> {
        var found: Set<String> = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            guard let bytes = try? DurableFile.read(table, limit: tableLimit) else { continue }
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst() {
                let fields = line.split(separator: " ")
                // The local address ends in the port, in hexadecimal; 0A is TCP_LISTEN.
                guard fields.count > 9, fields[3] == "0A", let local = fields[1].split(separator: ":").last,
                    UInt16(local, radix: 16) == port
                else { continue }
                found.insert("socket:[\(fields[9])]")
            }
        }
        return found
    }

    /// Whether some process listens on a TCP port of this machine.
    static func isTaken(_ port: UInt16) -> Bool { !listeners(on: port).isEmpty }

    /// The process that listens on a TCP port of this machine, the first one if it has children; `nil` if there is none,
    /// or this user may not know it.
    static func listening(on port: UInt16) -> ServerProcess? {
        let sockets = listeners(on: port)
        guard !sockets.isEmpty else { return nil }
        let end = ContinuousClock.now + searchTime
        return all { ContinuousClock.now < end && $0.holds(sockets, until: end) }.min { $0.id < $1.id }
    }

    /// How long descriptors are looked through: a user may have any number of them.
    fileprivate static let searchTime: Duration = .seconds(5)

    /// Whether it is seen to hold one of these sockets before a point in time.
    func holds(_ sockets: Set<String>, until end: ContinuousClock.Instant) -> Bool {
        guard !sockets.isEmpty, let files = try? folder?.folder("fd"), let names = try? files.names() else { return false }
        for name in names {
            guard ContinuousClock.now < end else { return false }
            if files.target(ofLink: name).map(sockets.contains) ?? false { return true }
        }
        return false
    }
}

/// The processes of one server.
struct ServerProcesses: Sendable {
    var main: ServerProcess
    /// One that signs: a child of the main process that has given up root; the main process if there is none.
    var worker: ServerProcess
    /// Whether they are seen to listen on the port.
    var isListening: Bool

    /// The server that listens on the port, or else one that runs.
    /// - Parameter names: of its processes, the main one first.
    init?(named names: [String], port: UInt16) {
        let all = ServerProcess.all(named: names), ids = Set(all.map(\.id))
        var mains = all.filter { !ids.contains($0.parent) && $0.isGenuine(named: names) }
        // Children may outlive their main process, and other programs may have the same names.
        if let own = names.first, mains.contains(where: { $0.name == own }) { mains.removeAll { $0.name != own } }
        let sockets = ServerProcess.listeners(on: port)
        let end = ContinuousClock.now + ServerProcess.searchTime
        let listening = mains.first { main in
            all.contains { ($0.id == main.id || $0.parent == main.id) && $0.holds(sockets, until: end) }
        }
        guard let main = listening ?? mains.first else { return nil }
        self.main = main
        isListening = listening != nil
        worker = Self.worker(of: main, among: all)
    }

    static func worker(of main: ServerProcess, among all: [ServerProcess]) -> ServerProcess {
        // Every orphan is a child of process 1, whoever started it.
        main.id == 1 ? main : all.first { $0.parent == main.id && $0.user != 0 } ?? main
    }
}

import ConfigurationFile
import Varlink

extension AgentConfiguration {
    /// A socket on which the daemon listens: `socket` with its settings, or a `[[listen]]`.
    public struct ListenSetting: Sendable {
        public static let defaultPath = "/run/acme-agent/agent.sock"
        /// Each takes two descriptors of those that are reserved for the daemon itself.
        static let most = 16

        public let path: String
        /// Mode of the socket.
        public let mode: UInt32
        /// Group that owns it; `nil` leaves the daemon's own.
        public let group: String?
        private let table: ConfigurationTable
        private let keys: Keys

        /// The settings' names in the file.
        private struct Keys: Sendable {
            let path: String
            let mode: String
            let group: String

            static let single = Keys(path: "socket", mode: "socket-mode", group: "socket-group")
            static let listen = Keys(path: "path", mode: "mode", group: "group")
        }

        private init(_ table: ConfigurationTable, _ keys: Keys, path: String) throws(ConfigurationError) {
            self.table = table
            self.keys = keys
            self.path = path
            // While the socket is made, its name is longer.
            let longest = VarlinkAddress.maximumPathLength - SocketPath.temporarySuffix.utf8.count
            guard path.utf8.count <= longest else {
                throw table.error(keys.path, "is too long for a socket's path (at most \(longest) bytes)")
            }
            guard path.utf8.last != UInt8(ascii: "/") else { throw table.error(keys.path, "ends in a slash: it must name the socket") }
            let text = try table.string(keys.mode) ?? "0660"
            guard let mode = UInt32(text, radix: 8), mode <= 0o777 else {
                throw table.error(keys.mode, "must be an octal mode, e.g. \"0660\"")
            }
            self.mode = mode
            group = try table.string(keys.group)
        }

        /// All of a file, in its order; `socket` is the first. Without any there is one with the defaults.
        static func all(_ table: ConfigurationTable) throws(ConfigurationError) -> [ListenSetting] {
            let tables = try table.tables("listen")
            var settings: [ListenSetting] = []
            if let path = try table.absolutePath("socket") {
                settings.append(try ListenSetting(table, .single, path: path))
            } else if tables.isEmpty {
                settings.append(try ListenSetting(table, .single, path: defaultPath))
            } else {
                for key in [Keys.single.mode, Keys.single.group] where table.line(of: key) != table.line() {
                    throw table.error(
                        key, "belongs to \"socket\", which is not set", hint: "in [[listen]] the settings are \"mode\" and \"group\"")
                }
            }
            for listen in tables {
                try listen.finish(known: [Keys.listen.path, Keys.listen.mode, Keys.listen.group])
                guard let path = try listen.absolutePath("path") else { throw listen.error(nil, "the setting \"path\" is missing") }
                let setting = try ListenSetting(listen, .listen, path: path)
                // Beside a socket are its lock and, while it is made, its new version.
                let names = [setting.canonicalPath] + ["lock", "new"].map { "\(setting.canonicalPath).\($0)" }
                for other in settings {
                    let others = [other.canonicalPath] + ["lock", "new"].map { "\(other.canonicalPath).\($0)" }
                    guard !names.contains(where: others.contains) else {
                        throw listen.error("path", "is used by another socket: \(other.path)")
                    }
                }
                settings.append(setting)
                guard settings.count <= most else { throw listen.error(nil, "there are more than \(most) sockets") }
            }
            return settings
        }

        /// The path without empty and `.` components: two spellings of one path are one socket.
        var canonicalPath: String { ListenSetting.canonical(path) }

        static func canonical(_ path: String) -> String { "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/") }

        /// An error at the socket's path.
        func error(_ message: String, hint: String? = nil) -> ConfigurationError { table.error(keys.path, message, hint: hint) }

        /// What is off while the group cannot be found.
        func offGroup(_ message: String, _ lookup: Lookup) -> OffEntry {
            OffEntry(
                entry: entry("group"), line: table.line(of: keys.group), message: "\"\(keys.group)\" \(message)", names: [lookup])
        }

        /// What is off while the socket cannot get its group and mode.
        func offAccess(_ message: String) -> OffEntry {
            OffEntry(
                entry: entry(group == nil ? "mode" : "group"), line: table.line(of: group == nil ? keys.mode : keys.group),
                message: message)
        }

        private func entry(_ what: String) -> String {
            keys.path == Keys.single.path ? "the socket's \(what)" : "the \(what) of the socket \(path)"
        }
    }
}

import ACME
import Glibc

/// The listening sockets that the service manager has opened for this process (sd_listen_fds(3)).
public struct InheritedSockets: Sendable {
    /// The first descriptor that is handed over.
    private static let first: Int32 = 3
    /// More than any socket unit has.
    private static let most = 64

    /// Why a socket cannot be used.
    public struct Fault: Error, Equatable, Sendable {
        public var reason: String
        public var hint: String
    }

    /// In the order of the descriptors. Without LISTEN_FDNAMES each is "unknown" (sd_listen_fds_with_names(3)).
    private let names: [String]
    /// Whether LISTEN_FDS is for another process.
    private let isForAnother: Bool
    private let first: Int32

    /// Those of this process.
    public static let current = InheritedSockets { name in getenv(name).flatMap { String(validatingCString: $0) } }

    /// - Parameter variable: the value of an environment variable.
    init(first: Int32 = Self.first, _ variable: (String) -> String?) {
        self.first = first
        let count = variable("LISTEN_FDS").flatMap { Int($0) } ?? 0
        isForAnother = count > 0 && variable("LISTEN_PID").flatMap { Int32($0) } != getpid()
        guard (1...Self.most).contains(count), !isForAnother else {
            names = []
            return
        }
        let given = (variable("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        names = (0..<count).map { given.count == count ? given[$0] : "unknown" }
    }

    /// The variables that say so; they are not for the programs that this process starts.
    public static let variables = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"]

    /// Whether a text may name a socket: systemd.socket(5), FileDescriptorName=.
    static func isName(_ text: Substring) -> Bool {
        (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ":") }
    }

    /// The descriptors of a name, or of a number. Several sockets may have one name.
    func descriptors(_ name: String) throws(Fault) -> [Int32] {
        var found = names.indices.filter { names[$0] == name }.map { first + Int32($0) }
        if found.isEmpty, let number = Int32(name), number >= first, number < first + Int32(names.count) { found = [number] }
        guard !found.isEmpty else { throw missing(name) }
        for descriptor in found {
            guard Self.isListening(descriptor) else {
                throw Fault(
                    reason: "the socket fd:\(name) that this process was started with is not a listening TCP socket",
                    hint: "the socket unit needs ListenStream=PORT and Accept=no")
            }
        }
        return found
    }

    private func missing(_ name: String) -> Fault {
        if isForAnother {
            return Fault(
                reason: "the socket fd:\(name) was handed over to another process than this one (LISTEN_PID)",
                hint: "a script that starts this program must do so with exec")
        }
        let hint = "a socket unit hands it over, with FileDescriptorName=\(name); see socket activation in operations.md"
        guard !names.isEmpty else { return Fault(reason: "this process was started without the socket fd:\(name)", hint: hint) }
        let list = names.map { "fd:" + TerminalText.safe($0, limit: 40) }.joined(separator: ", ")
        return Fault(reason: "this process was started without the socket fd:\(name); it has \(list)", hint: hint)
    }

    private static func isListening(_ descriptor: Int32) -> Bool {
        func option(_ name: Int32) -> Int32? {
            var value: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
        }
        return option(SO_TYPE) == Int32(SOCK_STREAM.rawValue) && option(SO_ACCEPTCONN) == 1
            && option(SO_DOMAIN).map { $0 == AF_INET || $0 == AF_INET6 } == true
    }
}

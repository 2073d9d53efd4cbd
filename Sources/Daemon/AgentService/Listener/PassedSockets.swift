import ACME
import Glibc

/// The listening sockets that systemd has opened for the daemon (sd_listen_fds(3)), by path.
struct PassedSockets: Sendable {
    /// The first descriptor that systemd passes.
    private static let first: CInt = 3
    /// More than a configuration may have.
    private static let most: CInt = 64

    /// Canonical path and descriptor.
    let descriptors: [String: CInt]

    static let none = PassedSockets(descriptors: [:])

    private init(descriptors: [String: CInt]) { self.descriptors = descriptors }

    /// - Throws: `ListenError` for a descriptor that is not a listening stream socket with a path, or for two with one
    ///   path.
    init(first: CInt, count: CInt) throws(ListenError) {
        var descriptors: [String: CInt] = [:]
        for descriptor in first..<(first + max(0, count)) {
            guard let path = PassedSockets.path(of: descriptor) else {
                throw ListenError(
                    description: "systemd passed descriptor \(descriptor), which is not a listening stream socket with a path",
                    hint: "the socket unit may have only ListenStream= with absolute paths, and Accept=no")
            }
            guard descriptors.updateValue(descriptor, forKey: AgentConfiguration.ListenSetting.canonical(path)) == nil else {
                throw ListenError(description: "systemd passed two sockets with the path \(path)")
            }
            // Helpers must not have it.
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
        self.descriptors = descriptors
    }

    /// Those that the environment says are for this process.
    static func fromEnvironment(_ variable: (String) -> String? = { getenv($0).map { String(cString: $0) } }) throws(ListenError)
        -> PassedSockets
    {
        // Meant for another process if the number differs, for example for the one that started this one.
        guard let process = variable("LISTEN_PID"), Int32(process) == getpid(), let text = variable("LISTEN_FDS") else { return none }
        guard let count = CInt(text), (0...most).contains(count) else {
            throw ListenError(description: "LISTEN_FDS is not a number of sockets: \"\(TerminalText.safe(text, limit: 100))\"")
        }
        return try PassedSockets(first: first, count: count)
    }

    private static func path(of descriptor: CInt) -> String? {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &value, &length) == 0, value == CInt(SOCK_STREAM.rawValue),
            getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0, value == 1
        else { return nil }
        var address = sockaddr_un()
        length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let named = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard named == 0, address.sun_family == sa_family_t(AF_UNIX) else { return nil }
        let path = withUnsafeBytes(of: address.sun_path) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
        // An abstract name begins with a zero byte.
        return path.hasPrefix("/") ? path : nil
    }
}

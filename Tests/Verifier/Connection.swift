import Glibc

/// A connection to the agent: calls are written, and replies are read, each ending with a zero byte.
final class Connection {
    let peer: Peer
    /// The socket's descriptor.
    let socket: Int32
    private var received: [UInt8] = []
    /// Seconds without a byte after which the agent counts as hung.
    private static let patience: Int32 = 30

    /// Connects as the peer, which takes root unless the peer is this process's own user. This process has one thread,
    /// so it can be another user for a moment.
    init?(_ path: String, as peer: Peer) {
        self.peer = peer
        socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8) + [0]
        guard bytes.count <= MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let isOther = peer.user != Int(geteuid())
        if isOther {
            let groups = peer.groups.dropFirst().map { gid_t($0) }
            guard setgroups(groups.count, groups) == 0, setegid(gid_t(peer.groups.first ?? peer.user)) == 0, seteuid(uid_t(peer.user)) == 0
            else { return nil }
        }
        var result: Int32 = -1
        // EAGAIN: too many connections wait to be accepted (Docs/protocol.md, "Limits").
        for _ in 0..<1_000 {
            result = withUnsafePointer(to: address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
            }
            guard result != 0, errno == EAGAIN || errno == EINTR else { break }
            usleep(5_000)
        }
        if isOther {
            guard seteuid(0) == 0, setegid(0) == 0, setgroups(1, [0]) == 0 else { return nil }
        }
        guard result == 0 else { return nil }
    }

    deinit { if socket >= 0 { close(socket) } }

    /// - Returns: Whether all was taken; not if the agent has closed the connection.
    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
        var place = 0
        while place < bytes.count {
            let count = bytes[place...].withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            place += count
        }
        return true
    }

    /// - Returns: The next message; `nil` if the connection was closed.
    func receive() throws(Finding) -> JSON? {
        while true {
            if let end = received.firstIndex(of: 0) {
                let message = Array(received[..<end])
                received.removeFirst(end + 1)
                guard let value = JSONReader.read(message) else {
                    throw Finding("a reply is not JSON: \(String(decoding: message, as: UTF8.self))")
                }
                return value
            }
            var waiting = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Connection.patience * 1_000)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw Finding("the agent did not answer for \(Connection.patience) seconds") }
            var part = [UInt8](repeating: 0, count: 65_536)
            let count = recv(socket, &part, part.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            received += part[..<count]
        }
    }

    /// Takes what has arrived, and does not wait.
    /// - Returns: The whole messages, in their order; `nil` if the agent has closed the connection.
    func arrived() throws(Finding) -> [JSON]? {
        var part = [UInt8](repeating: 0, count: 65_536)
        let count = recv(socket, &part, part.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EAGAIN || errno == EINTR { return [] }
        guard count > 0 else { return nil }
        received += part[..<count]
        var messages: [JSON] = []
        while received.contains(0), let message = try receive() { messages.append(message) }
        return messages
    }

    func call(_ call: Call) throws(Finding) -> Reply {
        send(call.bytes)
        return Reply(try receive())
    }
}

import Glibc

/// A process that answers fixed bytes with fixed bytes over a Unix socket: a lower bound for every agent.
final class BareSocketPeer {
    private let server: ChildProcess
    private let socket: String

    init(folder: String, program: String, name: String) throws {
        let socket = "\(folder)/\(name).sock"
        self.socket = socket
        server = try ChildProcess(
            [program, "answer", socket, "\(BareSocketPeer.requestLength)", "\(BareSocketPeer.replyLength)"], environment: [:],
            log: "\(folder)/\(name).log", diesWithParent: true)
        try server.await("the bare socket") { Files.exists(socket) }
    }

    /// The lengths of a POST-as-GET and its reply.
    static let requestLength = 330
    static let replyLength = 460

    func stop() { server.stop() }

    func load(seconds: Double, placement: Placement) throws -> Outcome {
        let request = [UInt8](repeating: 1, count: BareSocketPeer.requestLength)
        return try SocketLoad(
            path: socket, framing: .fixed(BareSocketPeer.replyLength), request: { _, _ in request }, isRight: { _ in true },
            processes: [server.process]
        ).run(connections: 1, seconds: seconds, placement: placement)
    }

    /// The other end: blocking, one connection after another.
    static func serve(path: String, requestLength: Int, replyLength: Int) throws {
        let listener = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, length) }
        }
        guard bound == 0, listen(listener, 16) == 0 else { throw BenchError.system("bind \(path)") }
        let reply = [UInt8](repeating: 2, count: replyLength)
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { throw BenchError.system("accept") }
            var filled = 0
            while true {
                let count = read(connection, &buffer, buffer.count)
                guard count > 0 else { break }
                filled += count
                while filled >= requestLength {
                    filled -= requestLength
                    guard write(connection, reply, reply.count) == reply.count else { break }
                }
            }
            close(connection)
        }
    }
}

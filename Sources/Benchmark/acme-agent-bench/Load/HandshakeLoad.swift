import COpenSSL
import Glibc

/// Full TLS 1.3 handshakes with a server on this machine. Each has a connection of its own, resumes nothing, and is
/// followed by a request and its answer. Each thread makes one after another.
final class HandshakeLoad {
    private let context: OpaquePointer
    private let port: Int
    private static let request = Array("GET / HTTP/1.0\r\n\r\n".utf8)

    init(port: Int) throws {
        self.port = port
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw BenchError("SSL_CTX_new failed") }
        self.context = context
        guard SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_3_VERSION), nil) == 1 else {
            throw BenchError("OpenSSL has no TLS 1.3")
        }
    }

    deinit { SSL_CTX_free(context) }

    /// - Parameter processes: Those of the server, whose CPU time is counted.
    func run(connections: Int, seconds: Double, processes: [pid_t]) throws -> Outcome {
        // With those that warm up, which are counted too.
        let all = Counter()
        let before = Clock.processor(processes)
        var outcome = try ThreadLoad.run(threads: connections, seconds: seconds) { _ in
            let own = all.another()
            return {
                own.count += 1
                return self.handshake()
            }
        }
        outcome.cpu = (Clock.processor(processes) - before) / Double(max(1, all.total)) * Double(outcome.calls)
        return outcome
    }

    private func handshake() -> Bool {
        guard let descriptor = try? HandshakeLoad.connect(port: port) else { return false }
        defer { close(descriptor) }
        guard let connection = SSL_new(context) else { return false }
        defer { SSL_free(connection) }
        let request = HandshakeLoad.request
        guard SSL_set_fd(connection, descriptor) == 1, SSL_connect(connection) == 1, SSL_session_reused(connection) == 0,
            SSL_write(connection, request, Int32(request.count)) == request.count
        else { return false }
        var answer = [UInt8](repeating: 0, count: 512), received = 0
        while true {
            let count = SSL_read(connection, &answer, Int32(answer.count))
            guard count > 0 else { return received > 0 }
            received += Int(count)
        }
    }

    /// A connection to a port of this machine.
    static func connect(port: Int) throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw BenchError.system("socket") }
        // The request follows the end of the handshake at once.
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = in_port_t(port).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            let error = BenchError.system("connect 127.0.0.1:\(port)")
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// A number for each thread.
    private final class Counter {
        final class Own { var count = 0 }
        private var owns: [Own] = []

        func another() -> Own {
            let own = Own()
            owns.append(own)
            return own
        }

        var total: Int { owns.reduce(0) { $0 + $1.count } }
    }
}

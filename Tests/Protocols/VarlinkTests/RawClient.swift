import Glibc
import Varlink

/// A client that misbehaves, on a blocking socket. No call waits longer than ten seconds.
struct RawClient: ~Copyable {
    struct Failed: Error {
        let call: String
        let errno: CInt
    }

    private let descriptor: CInt

    init(_ address: VarlinkAddress) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failed(call: "socket", errno: errno) }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: address.path.utf8) }
        let result = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        guard result == 0 else { throw Failed(call: "connect", errno: errno) }
    }

    deinit { close(descriptor) }

    /// Sends `text` with a NUL for each `|`.
    func send(_ text: String) throws {
        let bytes = text.utf8.map { $0 == UInt8(ascii: "|") ? 0 : $0 }
        guard Glibc.send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count else {
            throw Failed(call: "send", errno: errno)
        }
    }

    func endOutput() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// All messages until the server closes the connection.
    func readToEnd() throws -> [String] {
        var received: [UInt8] = []
        while let bytes = try readSome() { received += bytes }
        return received.dropLast().split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The bytes available now; `nil` at the end.
    func readSome() throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == ECONNRESET { return nil }
        guard count >= 0 else { throw Failed(call: "recv", errno: errno) }
        return count == 0 ? nil : Array(buffer[..<count])
    }
}

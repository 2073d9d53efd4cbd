import CMeasurement
import Glibc

/// How the end of a reply is determined.
enum Framing {
    /// Varlink: a message ends with a NUL byte.
    case nul
    /// ssh-agent: the length in four bytes comes first.
    case length
    /// A bare stream: this many bytes.
    case fixed(Int)
}

/// Buffer that replies are read into.
final class ReplyBuffer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 64)

    deinit { bytes.deallocate() }
}

/// A blocking Unix-socket connection.
final class Connection {
    let descriptor: Int32
    private let framing: Framing
    private let buffer: UnsafeMutableRawBufferPointer
    private let owner: ReplyBuffer
    /// What was read after a message.
    private var rest: [UInt8] = []

    /// - Parameter buffer: shared by all connections of one thread: a thousand separate buffers would burden the
    ///   caches, which is not the server's fault.
    /// - Parameter user: the user as whom to connect, which requires root; `nil` for this process's user.
    init(path: String, framing: Framing, buffer: ReplyBuffer = ReplyBuffer(), user: uid_t? = nil) throws {
        self.framing = framing
        self.owner = buffer
        self.buffer = buffer.bytes
        if let user {
            descriptor = cmeasurement_connect_as(user, path)
            guard descriptor >= 0 else { throw BenchError.system("connect \(path) as user \(user)") }
            return
        }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw BenchError.system("socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < capacity else { throw BenchError("the path of the socket is too long: \(path)") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        // A listener whose queue is full refuses a connection, and accepts it after the next round of its loop.
        for attempt in 0..<1_000 {
            let connected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) }
            }
            if connected == 0 { return }
            guard errno == EAGAIN || errno == EINTR, attempt < 999 else { break }
            usleep(1_000)
        }
        let error = BenchError.system("connect \(path)")
        close(descriptor)
        throw error
    }

    deinit { close(descriptor) }

    /// Sends a whole request.
    func send(_ request: [UInt8]) -> Bool {
        var sent = 0
        while sent < request.count {
            let count = request.withUnsafeBytes { bytes in
                write(descriptor, bytes.baseAddress?.advanced(by: sent), request.count - sent)
            }
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                return false
            }
            sent += count
        }
        return true
    }

    /// Reads one whole reply, blocking, and passes its bytes to `body`; `nil` if the connection ended.
    func receive<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
        var filled = 0
        while true {
            let count = read(descriptor, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                return nil
            }
            filled += count
            if isWhole(filled) { return body(UnsafeRawBufferPointer(rebasing: buffer.prefix(filled))) }
            // No peer's reply is that long.
            guard filled < buffer.count else { return nil }
        }
    }

    /// Reads one message of any length that ends with NUL, and keeps what follows for the next.
    func receiveMessage() throws -> [UInt8] {
        while true {
            if let end = rest.firstIndex(of: 0) {
                defer { rest.removeSubrange(...end) }
                return Array(rest[..<end])
            }
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                throw BenchError("the connection was closed")
            }
            rest += buffer.prefix(count)
        }
    }

    private func isWhole(_ filled: Int) -> Bool {
        switch framing {
        case .nul: return buffer[filled - 1] == 0
        case .fixed(let length): return filled >= length
        case .length:
            guard filled >= 4 else { return false }
            let length = buffer[..<4].reduce(0) { $0 << 8 | Int($1) }
            return filled >= 4 + length
        }
    }

    /// A request and its reply.
    func exchange(_ request: [UInt8]) throws -> [UInt8] {
        guard send(request) else { throw BenchError.system("write") }
        guard let reply = receive({ Array($0) }) else { throw BenchError("the connection was closed") }
        return reply
    }
}

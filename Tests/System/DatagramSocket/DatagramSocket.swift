import Glibc

/// A Unix socket that receives datagrams, in place of a service manager's or the journal's. For tests only.
public final class DatagramSocket: Sendable {
    public let path: String
    private let descriptor: Int32

    public struct Failure: Error {
        public var errno: Int32
    }

    public init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) == 0 }
        }
        guard isBound else {
            close(descriptor)
            throw Failure(errno: errno)
        }
    }

    deinit {
        close(descriptor)
        unlink(path)
    }

    /// What has arrived and was not yet received.
    public func received() -> [[UInt8]] {
        var all: [[UInt8]] = []
        while let one = receive() { all.append(one) }
        return all
    }

    /// The first datagram that is wanted; those before it are dropped. `nil` if none comes in time.
    public func next(within time: Duration = .seconds(20), _ isWanted: (String) -> Bool = { _ in true }) async throws -> String? {
        let end = ContinuousClock.now + time
        repeat {
            while let bytes = receive() {
                let text = String(decoding: bytes, as: UTF8.self)
                if isWanted(text) { return text }
            }
            try await Task.sleep(for: .milliseconds(2))
        } while ContinuousClock.now < end
        return nil
    }

    private func receive() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count >= 0 ? Array(bytes.prefix(count)) : nil
    }
}

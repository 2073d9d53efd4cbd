import Glibc

/// Hands a DNS message on to a server on 127.0.0.1. For tests only.
public enum DNSRelay {
    /// The answer, over TCP; `nil` if there is none within two seconds.
    public static func answer(_ query: [UInt8], port: Int) -> [UInt8]? {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return nil }
        defer { close(socket) }
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(truncatingIfNeeded: port)).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        let message = [UInt8(truncatingIfNeeded: query.count >> 8), UInt8(truncatingIfNeeded: query.count)] + query
        guard isConnected, write(socket, message, message.count) == message.count, let head = read(2, socket) else { return nil }
        return read(Int(head[0]) << 8 | Int(head[1]), socket)
    }

    private static func read(_ count: Int, _ socket: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            var part = [UInt8](repeating: 0, count: count - bytes.count)
            let got = Glibc.read(socket, &part, part.count)
            guard got > 0 else { return nil }
            bytes += part.prefix(got)
        }
        return bytes
    }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The peer of a Unix socket at the time of the connection, as reported by the kernel.
public struct VarlinkPeerCredentials: Hashable, Sendable {
    /// The effective user.
    public let uid: UInt32
    /// The effective group.
    public let gid: UInt32
    /// For messages only: the PID may belong to another process by now. 0 if the system does not report it.
    public let pid: Int32

    /// For tests, and for peers that are known otherwise.
    public init(uid: UInt32, gid: UInt32, pid: Int32) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
    }

    /// Asks the kernel (SO_PEERCRED).
    /// - Returns: `nil` if the descriptor is not a connected Unix socket.
    public init?(descriptor: CInt) {
        #if os(Linux)
            // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
            var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, .max, .max)
            let size = MemoryLayout.size(ofValue: credentials)
            var length = socklen_t(size)
            let result = withUnsafeMutableBytes(of: &credentials) {
                getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, $0.baseAddress, &length)
            }
            // A TCP socket answers too, with the numbers of no process. (PID 0 is a peer in another PID namespace.)
            guard result == 0, Int(length) == size, credentials.uid != .max else { return nil }
            self.init(uid: credentials.uid, gid: credentials.gid, pid: credentials.pid)
        #else
            var uid: uid_t = .max
            var gid: gid_t = .max
            guard getpeereid(descriptor, &uid, &gid) == 0 else { return nil }
            self.init(uid: uid, gid: gid, pid: 0)
        #endif
    }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Who was at the other end of a Unix socket when it was connected, as the kernel says.
public struct VarlinkPeerCredentials: Hashable, Sendable {
    public let uid: UInt32
    public let gid: UInt32
    /// For messages only: a process's number may belong to another one by the time it is looked at. 0 where the system does not tell.
    public let pid: Int32

    /// The user that an unmapped one looks like: behind a user namespace everybody is this one.
    public static let overflowUID: UInt32 = 65534

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
            // A TCP socket answers too, with nobody's numbers. (pid 0 is a peer of another pid namespace.)
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

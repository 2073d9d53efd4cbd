#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The users that a client accepts as the agent.
enum SocketOwner {
    /// Root, the connecting user, and the owner of the socket's folder unless others may write to it: anyone who can
    /// write there can put another socket in its place.
    static func trusted(_ socket: String, by user: UInt32 = geteuid()) -> Set<UInt32> {
        var users: Set<UInt32> = [0, user]
        guard let slash = socket.lastIndex(of: "/") else { return users }
        let folder = slash == socket.startIndex ? "/" : String(socket[..<slash])
        var status = stat()
        if stat(folder, &status) == 0, status.st_mode & 0o022 == 0 { users.insert(status.st_uid) }
        return users
    }
}

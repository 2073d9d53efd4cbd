import NIOCore
import Varlink

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The agent cannot be reached, or is not who it should be.
public struct AgentConnectionError: Error, Sendable, CustomStringConvertible {
    /// The path that was tried.
    public var socket: String
    public var description: String
    /// What to do.
    public var hint: String?
    /// Whether it may pass by itself, above all while the agent is being restarted: nothing listens, the connection was
    /// closed at once, or the queue is full.
    public private(set) var mayPass = false

    init(socket: String, _ message: String, hint: String?, mayPass: Bool = false) {
        self.mayPass = mayPass
        self.socket = socket
        self.description = "the agent's socket \(socket) \(message)"
        self.hint = hint
    }

    /// For an error of connect(2) in a program that does not use NIO.
    public init(socket: String, code: Int32) {
        self.init(socket: socket, cause: IOError(errnoCode: code, reason: "connect"))
    }

    init(socket: String, cause: any Error) {
        switch cause {
        case let error as UntrustedServer:
            self.init(
                socket: socket, "is held by another user (uid \(error.uid)), so it is not trusted",
                hint: "the agent runs as root, as you, or as the owner of the socket's folder")
        case let error as IOError where error.errnoCode == ENOENT:
            self.init(
                socket: socket, "does not exist",
                hint: "is acme-agentd running? To name another socket, use --socket or ACME_AGENT_SOCKET", mayPass: true)
        case let error as IOError where error.errnoCode == EACCES:
            self.init(socket: socket, "cannot be opened: permission denied", hint: "ask the administrator to add you to the socket's group")
        case let error as IOError where error.errnoCode == ECONNREFUSED && AgentConnectionError.kind(of: socket) != nil:
            self.init(
                socket: socket, "is \(AgentConnectionError.kind(of: socket) ?? "no socket"), not a socket",
                hint: "name the agent's socket with --socket or ACME_AGENT_SOCKET")
        case let error as IOError where error.errnoCode == ECONNREFUSED:
            self.init(socket: socket, "has no listener", hint: "acme-agentd has stopped; its log says why", mayPass: true)
        case VarlinkConnectionError.closed, VarlinkConnectionError.unknownPeer:
            self.init(
                socket: socket, "accepted the connection and closed it at once",
                hint: "the agent refuses users that it cannot identify, and more connections than its configuration allows", mayPass: true)
        case ChannelError.connectTimeout:
            self.init(
                socket: socket, "accepts no connections: its queue is full",
                hint: "the agent is overloaded or hangs; try again later", mayPass: true)
        default: self.init(socket: socket, "cannot be reached: \(cause)", hint: nil)
        }
    }

    /// What a path names if it is not a socket: connecting to it fails as if nothing listened.
    private static func kind(of path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK: return nil
        case S_IFREG: return "a regular file"
        case S_IFDIR: return "a folder"
        default: return "a special file"
        }
    }
}

/// The process that listens on the agent's path is not trusted.
struct UntrustedServer: Error {
    let uid: UInt32
}

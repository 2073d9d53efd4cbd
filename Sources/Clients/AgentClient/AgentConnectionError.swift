import NIOCore
import Varlink

/// The agent cannot be reached, or is not who it should be.
public struct AgentConnectionError: Error, Sendable, CustomStringConvertible {
    public var socket: String
    public var description: String
    public var hint: String?

    init(socket: String, _ message: String, hint: String?) {
        self.socket = socket
        self.description = "the agent's socket \(socket) \(message)"
        self.hint = hint
    }

    init(socket: String, cause: any Error) {
        switch cause {
        case let error as UntrustedServer:
            self.init(
                socket: socket, "is held by another user (uid \(error.uid)), so it is not trusted",
                hint: "the agent runs as root, as you, or as the owner of the socket's folder")
        case let error as IOError where error.errnoCode == 2:
            self.init(
                socket: socket, "is not there", hint: "is acme-agentd running? Another socket is named by --socket or ACME_AGENT_SOCKET")
        case let error as IOError where error.errnoCode == 13:
            self.init(socket: socket, "may not be opened by you", hint: "ask the administrator to let you into the socket's group")
        case let error as IOError where error.errnoCode == 111:
            self.init(socket: socket, "has nobody listening on it", hint: "acme-agentd has stopped; its log says why")
        case VarlinkConnectionError.closed, VarlinkConnectionError.unknownPeer:
            self.init(
                socket: socket, "was closed by the agent at once",
                hint: "the agent turns away users that it cannot tell apart, and more connections than its configuration allows")
        case ChannelError.connectTimeout:
            self.init(
                socket: socket, "takes no connection: as many as may wait are waiting",
                hint: "the agent is overloaded or stopped in its tracks; try again later")
        default: self.init(socket: socket, "cannot be reached: \(cause)", hint: nil)
        }
    }
}

/// Somebody listens on the agent's path who must not.
struct UntrustedServer: Error {
    let uid: UInt32
}

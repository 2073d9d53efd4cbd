import StrictJSON

/// Why a message is not a call.
public enum VarlinkCallFault: Error, Sendable {
    /// Not strict JSON, or not an object: its meaning is unknown, so the connection must end.
    case malformed(JSONError)
    /// An object with an invalid member: the client is told (unless the call is `oneway`) and may continue.
    case invalid(member: String, isOneway: Bool)
}

import StrictJSON

/// Why a message is not a call.
public enum VarlinkCallFault: Error, Sendable {
    /// Not strict JSON, or not an object: nobody knows what the client meant, so the connection has to end.
    case malformed(JSONError)
    /// An object, and one member of it is not as it must be: the client is told (unless it asked not to be) and may go on.
    case invalid(member: String, isOneway: Bool)
}

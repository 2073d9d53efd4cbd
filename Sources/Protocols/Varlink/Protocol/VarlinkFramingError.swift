/// Why a stream of messages cannot be read any further.
public enum VarlinkFramingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A message is longer than the limit, in bytes.
    case messageTooLong(limit: Int)

    public var description: String {
        switch self {
        case .messageTooLong(let limit): "a message is longer than \(limit) bytes"
        }
    }
}

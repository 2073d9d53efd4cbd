import NIOCore
import StrictJSON

/// A client's connection without its socket: tracks which call the next reply belongs to. Replies come in the order of
/// the calls (UAPI.20).
struct VarlinkClientState<Receiver> {
    /// What a message is.
    enum Step {
        /// No complete message, or none that may be processed now.
        case wait
        /// The only or last reply, or an error, which ends the oldest call.
        case finish(Receiver?, Result<VarlinkReply, any Error>)
        /// A reply that is followed by others.
        case proceed(Receiver?, VarlinkReply)
        /// The server broke the protocol.
        case fail(VarlinkConnectionError)
    }

    private struct Call {
        let id: UInt64
        let wantsMore: Bool
        /// `nil` once no one waits; its replies are still taken from the stream.
        var receiver: Receiver?
    }

    private let limits: VarlinkClientLimits
    private var framer: VarlinkFramer
    private var calls = CircularBuffer<Call>()
    /// The reader of the stream has enough replies for now.
    var isHeldBack = false

    init(limits: VarlinkClientLimits) {
        self.limits = limits
        self.framer = VarlinkFramer(maximumMessageSize: limits.messageSize)
    }

    mutating func sent(_ id: UInt64, wantsMore: Bool, _ receiver: Receiver) {
        calls.append(Call(id: id, wantsMore: wantsMore, receiver: receiver))
    }

    mutating func received(_ bytes: some Collection<UInt8>) { framer.append(bytes) }

    mutating func next() -> Step {
        guard !isHeldBack else { return .wait }
        let message: ArraySlice<UInt8>?
        do throws(VarlinkFramingError) { message = try framer.next() } catch {
            return .fail(.replyTooLong(limit: limits.messageSize))
        }
        guard let message else { return .wait }
        guard let call = calls.first else { return .fail(.unexpectedReply) }
        do {
            let reply = try VarlinkReply.parse(Array(message), limits: limits.json)
            if reply.continues {
                guard call.wantsMore else { return .fail(.unexpectedReply) }
                return .proceed(call.receiver, reply)
            }
            calls.removeFirst()
            return .finish(call.receiver, .success(reply))
        } catch let error as JSONError {
            return .fail(.malformedReply(error))
        } catch {
            calls.removeFirst()
            return .finish(call.receiver, .failure(error))
        }
    }

    /// Gives up waiting for a call. Returns its receiver if the call is not over.
    mutating func abandon(_ id: UInt64) -> Receiver? {
        guard let index = calls.firstIndex(where: { $0.id == id }) else { return nil }
        defer { calls[index].receiver = nil }
        return calls[index].receiver
    }

    /// The connection is over: returns all receivers that wait.
    mutating func abandonAll() -> [Receiver] {
        defer { calls.removeAll() }
        framer.removeAll()
        return calls.compactMap(\.receiver)
    }
}

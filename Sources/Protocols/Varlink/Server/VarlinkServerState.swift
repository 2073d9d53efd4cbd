import StrictJSON

/// One connection of a server, without its socket: bytes in, steps out.
///
/// Calls are handed out one at a time. The next one waits, unread, until the one before is answered and the client takes its replies.
struct VarlinkServerState {
    /// What the connection does next.
    enum Step {
        /// Nothing, until bytes, an answer or writability come.
        case wait
        /// Hand over a call; ``VarlinkServerState/current`` is its number now.
        case dispatch(VarlinkCall)
        /// Answer an invalid call that was not dispatched.
        case refuse(VarlinkError)
        /// Send what is still to be sent, and close.
        case close(VarlinkCloseReason)
    }

    private let limits: VarlinkServerLimits
    private var framer: VarlinkFramer
    private var lastCall: UInt64 = 0
    private var isClosed = false

    /// Messages taken from the stream so far.
    private(set) var messages: UInt64 = 0
    /// The call being answered.
    private(set) var current: UInt64?
    /// Whether the call being answered wants no reply.
    private(set) var currentIsOneway = false
    /// Whether the call being answered accepts several replies.
    private(set) var currentWantsMore = false
    /// Whether the client takes what it is sent.
    var isWritable = true
    /// The client sends no more.
    var inputEnded = false
    /// Answer the call at hand, then close.
    var isQuiescing = false

    init(limits: VarlinkServerLimits) {
        self.limits = limits
        self.framer = VarlinkFramer(maximumMessageSize: limits.messageSize)
    }

    mutating func received(_ bytes: some Collection<UInt8>) {
        guard !isClosed else { return }
        framer.append(bytes)
    }

    /// What to do next.
    /// - Parameter document: Memory to read a message in; what was in it is gone.
    mutating func next(readingInto document: inout JSONDocument) -> Step {
        guard !isClosed, current == nil, isWritable else { return .wait }
        if isQuiescing { return close(.shutdown) }
        while true {
            let message: ArraySlice<UInt8>?
            do throws(VarlinkFramingError) { message = try framer.next() } catch {
                return close(.messageTooLong(limit: limits.messageSize))
            }
            guard let message else {
                guard inputEnded else { return .wait }
                return close(framer.bufferedBytes == 0 ? .endOfStream : .peerGone)
            }
            messages += 1
            do throws(VarlinkCallFault) {
                let call = try VarlinkCall(parsing: message, into: &document, limits: limits.json)
                lastCall += 1
                current = lastCall
                currentIsOneway = call.isOneway
                currentWantsMore = call.wantsMore
                return .dispatch(call)
            } catch {
                switch error {
                case .malformed(let reason): return close(.malformedMessage(reason))
                case .invalid(_, isOneway: true): continue
                case .invalid(let member, isOneway: false): return .refuse(.invalidParameter(member))
                }
            }
        }
    }

    /// The call is answered. `false` if it was not the one at hand.
    mutating func finish(_ call: UInt64) -> Bool {
        guard current == call else { return false }
        current = nil
        return true
    }

    /// Takes no more bytes and hands out no more calls.
    mutating func close() {
        isClosed = true
        current = nil
        framer.removeAll()
    }

    private mutating func close(_ reason: VarlinkCloseReason) -> Step {
        close()
        return .close(reason)
    }

    /// Whether the socket is to be read. Without a call at hand always, since the next one may not be complete.
    var wantsToRead: Bool {
        guard !isClosed, !isQuiescing, isWritable else { return false }
        return current == nil || framer.bufferedBytes < limits.pipelinedBytes
    }

    /// A message was begun, and it is the client's turn to finish it.
    var awaitsRestOfMessage: Bool { !isClosed && current == nil && isWritable && framer.bufferedBytes > 0 }

    /// No call, and no byte of one.
    var isIdle: Bool { !isClosed && current == nil && framer.bufferedBytes == 0 }
}

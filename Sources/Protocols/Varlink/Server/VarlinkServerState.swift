import StrictJSON

/// One connection of a server, without its socket: bytes in, steps out.
///
/// Calls are handed out one at a time. The next one waits, unparsed, until the previous one is answered and the client
/// reads its replies.
struct VarlinkServerState {
    /// What the connection does next.
    enum Step {
        /// Nothing, until bytes arrive, an answer is given or the channel becomes writable.
        case wait
        /// Dispatch a call; its number is now ``VarlinkServerState/current``.
        case dispatch(VarlinkCall)
        /// Have a long message parsed off the loop, and pass the result to ``VarlinkServerState/take(_:)``.
        case read([UInt8])
        /// Answer an invalid call that was not dispatched.
        case refuse(VarlinkError)
        /// Skip an invalid call that wants no answer.
        case skip
        /// Send pending output, then close.
        case close(VarlinkCloseReason)
    }

    private let limits: VarlinkServerLimits
    /// Messages longer than this, in bytes, are parsed elsewhere.
    private let shortMessage: Int
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
    /// Bytes of the long message that is being parsed elsewhere, or whose call is being answered.
    private(set) var longMessage = 0
    private var elsewhere = Elsewhere.nothing

    /// The state of a long message.
    private enum Elsewhere {
        case nothing
        case reading
        case read(Result<VarlinkCall, VarlinkCallFault>)
    }

    /// Whether the client reads its replies.
    var isWritable = true
    /// The client sends no more.
    var inputEnded = false
    /// The server is stopping: the calls that have arrived are the last ones.
    var isQuiescing = false

    /// - Parameter readsLongMessages: Whether long messages are parsed elsewhere.
    init(limits: VarlinkServerLimits, readsLongMessages: Bool = false) {
        self.limits = limits
        self.shortMessage = readsLongMessages ? limits.shortMessage : .max
        self.framer = VarlinkFramer(maximumMessageSize: limits.messageSize)
    }

    mutating func received(_ bytes: some Collection<UInt8>) {
        guard !isClosed else { return }
        framer.append(bytes)
    }

    /// Whether there is anything for ``next(readingInto:)`` to process.
    var hasNext: Bool {
        guard !isClosed, current == nil, isWritable else { return false }
        switch elsewhere {
        case .reading: return false
        case .read: return true
        case .nothing: return framer.bufferedBytes > 0 || inputEnded
        }
    }

    /// What to do next.
    /// - Parameter document: Memory to parse a message into; its content is overwritten.
    mutating func next(readingInto document: inout JSONDocument) -> Step {
        guard !isClosed, current == nil, isWritable else { return .wait }
        if case .reading = elsewhere { return .wait }
        if case .read(let result) = elsewhere {
            elsewhere = .nothing
            return step(for: result)
        }
        let message: ArraySlice<UInt8>?
        do throws(VarlinkFramingError) { message = try framer.next() } catch {
            return close(.messageTooLong(limit: limits.messageSize))
        }
        guard let message else {
            guard inputEnded else { return .wait }
            if isQuiescing { return close(.shutdown) }
            return close(framer.bufferedBytes == 0 ? .endOfStream : .peerGone)
        }
        messages += 1
        guard message.count <= shortMessage else {
            elsewhere = .reading
            longMessage = message.count
            let copy = Array(message)
            framer.releaseIfEmpty()
            return .read(copy)
        }
        do throws(VarlinkCallFault) {
            return begin(try VarlinkCall(parsing: message, into: &document, limits: limits.json))
        } catch {
            return step(for: error)
        }
    }

    /// Takes the result of parsing a long message; ``next(readingInto:)`` returns what to do with it.
    mutating func take(_ result: Result<VarlinkCall, VarlinkCallFault>) {
        guard !isClosed, case .reading = elsewhere else { return }
        elsewhere = .read(result)
    }

    private mutating func step(for result: Result<VarlinkCall, VarlinkCallFault>) -> Step {
        switch result {
        case .success(let call): return begin(call)
        case .failure(let fault):
            longMessage = 0
            return step(for: fault)
        }
    }

    private mutating func begin(_ call: VarlinkCall) -> Step {
        lastCall += 1
        current = lastCall
        currentIsOneway = call.isOneway
        currentWantsMore = call.wantsMore
        return .dispatch(call)
    }

    private mutating func step(for fault: VarlinkCallFault) -> Step {
        switch fault {
        case .malformed(let reason): close(.malformedMessage(reason))
        case .invalid(_, isOneway: true): .skip
        case .invalid(let member, isOneway: false): .refuse(.invalidParameter(member))
        }
    }

    /// Gives the memory of messages back that were all taken.
    mutating func releaseIfEmpty() { framer.releaseIfEmpty() }

    /// The call has been answered. Returns `false` if it was not the current one.
    mutating func finish(_ call: UInt64) -> Bool {
        guard current == call else { return false }
        current = nil
        longMessage = 0
        return true
    }

    /// Accepts no more bytes and dispatches no more calls.
    mutating func close() {
        isClosed = true
        current = nil
        longMessage = 0
        elsewhere = .nothing
        framer.removeAll()
    }

    private mutating func close(_ reason: VarlinkCloseReason) -> Step {
        close()
        return .close(reason)
    }

    private var isElsewhere: Bool {
        if case .nothing = elsewhere { false } else { true }
    }

    /// Whether to read the socket. Always without a current call, since the next one may be incomplete.
    var wantsToRead: Bool {
        guard !isClosed, isWritable else { return false }
        return current == nil && !isElsewhere || framer.bufferedBytes < limits.pipelinedBytes
    }

    /// A message has started, and the client must finish it.
    var awaitsRestOfMessage: Bool { !isClosed && current == nil && !isElsewhere && isWritable && framer.bufferedBytes > 0 }

    /// No call, and no byte of one.
    var isIdle: Bool { !isClosed && current == nil && !isElsewhere && framer.bufferedBytes == 0 }

    /// Memory held for messages beyond what every connection keeps, in bytes. A long message counts until it is
    /// answered: it is in memory several times, as bytes, as values and as a request.
    var inputMemory: Int {
        guard !isClosed else { return 0 }
        return max(0, framer.capacity - VarlinkFramer.keptCapacity) + longMessage * VarlinkServerState.copiesOfLongMessage
    }

    private static let copiesOfLongMessage = 4
}

import NIOCore
import StrictJSON

/// Answers one call. A value of two words; a copy may be kept and used later, on the event loop.
///
/// A call is answered once: ``succeed()``, its variants and ``fail(error:_:)`` end it. Anything later, or after the
/// connection has ended, does nothing. For a `oneway` call nothing is ever sent; the service need not check.
public struct VarlinkReplier {
    let connection: VarlinkServerHandler
    let call: UInt64

    /// Whether the call still waits for its answer: it has not been answered, and its connection is open.
    public var isOpen: Bool { connection.isOpen(call) }

    /// When the call's last bytes were read from the socket; reading, waiting for the user's turn and for earlier calls
    /// of the connection come after it. If the client has sent more calls meanwhile, when their bytes were read. Meaningful
    /// while ``isOpen``.
    public var received: NIODeadline { NIODeadline.uptimeNanoseconds(connection.callRead) }

    /// Whether the client keeps up. A service that streams with `next` must stop while this is `false`, and continue
    /// when the closure given to ``onWritable(_:)`` is called.
    public var isWritable: Bool { connection.isWritable(call) }

    /// The loop on which all of this must be called.
    public var eventLoop: any EventLoop { connection.eventLoop }

    /// Answers without parameters.
    public func succeed() { connection.finish(call, with: .empty) }

    /// Answers with parameters that are already a JSON object, as bytes.
    public func succeed(parameters: [UInt8]) { connection.finish(call, with: .bytes(parameters)) }

    /// Answers with parameters written by a closure as the members of one object.
    public func succeed(_ members: (inout JSONWriter) -> Void) {
        connection.withParameters(members) { connection.finish(call, with: .bytes($0)) }
    }

    /// Sends one reply of several and leaves the call open.
    /// - Returns: Whether to continue. `false` if the call is no longer open. If the client did not set `more`, it gets
    ///   the error ExpectedMore and the call ends.
    @discardableResult
    public func next(parameters: [UInt8]) -> Bool { connection.proceed(call, with: parameters) }

    /// Sends one reply of several, its parameters written by a closure as the members of one object.
    @discardableResult
    public func next(_ members: (inout JSONWriter) -> Void) -> Bool {
        connection.withParameters(members) { connection.proceed(call, with: $0) }
    }

    /// Answers with an error.
    public func fail(_ error: VarlinkError) {
        connection.finish(call, with: .error(name: error.name, parameters: error.parameters.source))
    }

    /// Answers with an error whose parameters are written by a closure as the members of one object.
    public func fail(error name: String, _ members: (inout JSONWriter) -> Void) {
        connection.withParameters(members) { connection.finish(call, with: .error(name: name, parameters: $0[...])) }
    }

    /// Answers InvalidParameter for parameters that could not be read.
    public func fail(_ error: JSONError) { fail(.invalidParameter(error)) }

    /// Runs the closure once if the connection ends before the call is answered. A later closure replaces an earlier
    /// one. If the call is no longer open, the closure is neither kept nor run.
    public func onCancel(_ closure: @escaping () -> Void) { connection.setCancellation(call, closure) }

    /// Runs the closure once, as soon as ``isWritable`` is `true`, but not before this function has returned and other
    /// connections have had their turn; never if the call ends first. A later closure replaces an earlier one that has
    /// not run.
    public func onWritable(_ closure: @escaping () -> Void) { connection.setWritability(call, closure) }

    /// Answers that `body` gives to calls of this server are sent together at its end, and the next calls start then:
    /// if many calls are answered at once, each connection is written to once, without a task on the event loop. If
    /// such a run is already under way or scheduled, it does this work. Do not use it within
    /// ``VarlinkService/handle(_:peer:reply:)``: other calls would start in the middle of it.
    public func together(_ body: () -> Void) { connection.together(body) }

    /// For completions through a future or on another thread: pass this along and unwrap it on the loop.
    public var loopBound: NIOLoopBound<VarlinkReplier> { NIOLoopBound(self, eventLoop: eventLoop) }
}

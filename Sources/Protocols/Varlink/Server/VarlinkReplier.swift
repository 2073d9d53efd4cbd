import NIOCore
import StrictJSON

/// The way back for one call. A value of two words; keep a copy and use it later, on the event loop.
///
/// A call is answered once: ``succeed()``, its variants and ``fail(_:)`` end it, and whatever comes after that, or after the connection
/// is gone, does nothing. For a call that came `oneway` nothing is ever sent, and the service need not care.
public struct VarlinkReplier {
    let connection: VarlinkServerHandler
    let call: UInt64

    /// Whether the call still waits for its answer: it was not answered yet and its connection is alive.
    public var isOpen: Bool { connection.isOpen(call) }

    /// Whether the client keeps up. A service that streams with `next` stops while this is `false` and goes on when the closure
    /// given to ``onWritable(_:)`` is called.
    public var isWritable: Bool { connection.isWritable(call) }

    /// The loop on which everything here has to be called.
    public var eventLoop: any EventLoop { connection.eventLoop }

    /// Answers without parameters.
    public func succeed() { connection.finish(call, with: .empty) }

    /// Answers with parameters that are a JSON object already, as bytes.
    public func succeed(parameters: [UInt8]) { connection.finish(call, with: .bytes(parameters)) }

    /// Answers with parameters written by a closure as the members of one object.
    public func succeed(_ members: (inout JSONWriter) -> Void) {
        connection.withParameters(members) { connection.finish(call, with: .bytes($0)) }
    }

    /// Sends one reply of several and leaves the call open.
    /// - Returns: Whether to go on. `false` if the call is not open any more; if the client did not ask for `more`, it is told so
    ///   (ExpectedMore) and the call is ended.
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

    /// Runs the closure once if the connection goes away before the call is answered. A later closure replaces an earlier one.
    /// If the call is not open any more, nothing is kept and nothing is run.
    public func onCancel(_ closure: @escaping () -> Void) { connection.setCancellation(call, closure) }

    /// Runs the closure once, as soon as ``isWritable`` is `true` (again), but not before this function has returned and other connections
    /// had their turn; never if the call is over before. A later closure replaces an earlier one that has not run.
    public func onWritable(_ closure: @escaping () -> Void) { connection.setWritability(call, closure) }

    /// Answers that `body` gives to calls of this server go out together at its end, and the calls behind them are begun then: where many
    /// calls are answered at once, each of their connections is written to once, and the event loop needs no task for it. Where such an end or
    /// such a task is on its way already, it is that one's. Not to be used from within ``VarlinkService/handle(_:peer:reply:)``, in whose midst
    /// other calls would be begun.
    public func together(_ body: () -> Void) { connection.together(body) }

    /// For completions that arrive through a future or another thread: take it along and unwrap it on the loop.
    public var loopBound: NIOLoopBound<VarlinkReplier> { NIOLoopBound(self, eventLoop: eventLoop) }
}

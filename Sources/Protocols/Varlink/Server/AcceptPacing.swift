import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Pauses accepting if the system has no descriptor or memory for another connection: a waiting connection keeps the
/// listener readable, and each attempt would fail at once. The pause grows with each failure, and ends as soon as there
/// may be room.
final class AcceptPacing: ChannelDuplexHandler {
    typealias InboundIn = Any
    typealias OutboundIn = Never

    /// The first pause and the longest.
    static let pauses = TimeAmount.milliseconds(10)...TimeAmount.seconds(1)

    private let failed: (_ errno: CInt, _ pause: TimeAmount) -> Void
    private var context: ChannelHandlerContext?
    private var pause: TimeAmount?
    private var timer: Scheduled<Void>?
    private var isReadHeldBack = false

    /// - Parameter failed: Called for each pause.
    init(failed: @escaping (_ errno: CInt, _ pause: TimeAmount) -> Void) { self.failed = failed }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        pause = nil
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let code = (error as? IOError)?.errnoCode, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code) else {
            return context.fireErrorCaught(error)
        }
        guard timer == nil else { return }
        let next = min(pause.map { $0 * 2 } ?? AcceptPacing.pauses.lowerBound, AcceptPacing.pauses.upperBound)
        pause = next
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: next) { self.resume() }
        failed(code, next)
    }

    func read(context: ChannelHandlerContext) {
        if timer == nil { context.read() } else { isReadHeldBack = true }
    }

    /// Tries again: the pause is over, or a descriptor was closed.
    func resume() {
        guard let timer else { return }
        timer.cancel()
        self.timer = nil
        guard isReadHeldBack else { return }
        isReadHeldBack = false
        context?.read()
    }
}

/// A service as one of its connections sees it: each function with the peer filled in.
struct ServiceBinding {
    /// Answers a call.
    typealias Handler = (VarlinkCall, VarlinkReplier) -> Void

    /// The number of the connection's user.
    let user: UInt64
    let handle: Handler
    /// Has a long message parsed off the loop and passes the result to ``VarlinkServerHandler/took(_:_:)``.
    let read: (VarlinkServerHandler, [UInt8]) -> Void
    let opened: () -> Void
    let closed: (VarlinkCloseReason) -> Void

    /// - Parameter thread: Parses long messages, if present.
    init<Service: VarlinkService>(_ service: Service, peer: Service.Peer, thread: TurnThread?, limits: VarlinkServerLimits) {
        let user = service.user(of: peer), json = limits.json
        self.user = user
        self.handle = { call, reply in service.handle(call, peer: peer, reply: reply) }
        self.read = { connection, message in
            let read = service.reader(for: peer)
            typealias LongCall = Result<(call: VarlinkCall, reading: Service.Reading), VarlinkCallFault>
            thread?.run(for: user, on: connection.eventLoop) {
                do throws(VarlinkCallFault) {
                    let call = try VarlinkCall(parsing: message, limits: json)
                    return LongCall.success((call, read(call)))
                } catch {
                    return LongCall.failure(error)
                }
            } then: { result in
                switch result {
                case .success(let long):
                    connection.took(.success(long.call)) { service.handle($0, read: long.reading, peer: peer, reply: $1) }
                case .failure(let fault): connection.took(.failure(fault), nil)
                }
            }
        }
        self.opened = { service.connectionOpened(peer: peer) }
        self.closed = { reason in service.connectionClosed(peer: peer, reason: reason) }
    }
}

import NIOCore

/// The replies of a `more` call, in their order. It ends with the reply that says that no other follows, which is given out too, or
/// throws: ``VarlinkError`` if the service ended it so, ``VarlinkConnectionError`` if the connection did.
///
/// Replies are read from the socket as they are read from here, a few ahead; the connection's other calls wait meanwhile, so give a stream
/// that lasts a connection of its own. Leaving the stream before its end closes the connection: Varlink has no other way to say so.
public struct VarlinkReplies: AsyncSequence, Sendable {
    public typealias Element = VarlinkReply
    typealias Sequence = NIOThrowingAsyncSequenceProducer<
        VarlinkReply, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, Demand
    >
    typealias Source = Sequence.Source

    private let sequence: Sequence
    /// Kept open as long as somebody reads.
    private let connection: VarlinkConnection

    init(_ sequence: Sequence, connection: VarlinkConnection) {
        self.sequence = sequence
        self.connection = connection
    }

    public func makeAsyncIterator() -> Iterator { Iterator(iterator: sequence.makeAsyncIterator(), connection: connection) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let iterator: Sequence.AsyncIterator
        fileprivate let connection: VarlinkConnection

        public func next() async throws -> VarlinkReply? { try await iterator.next() }
    }

    /// Carries the reader's wishes to the event loop.
    struct Demand: NIOAsyncSequenceProducerDelegate {
        let handler: NIOLoopBound<VarlinkClientHandler>
        let call: UInt64

        func produceMore() {
            handler.eventLoop.execute { handler.value.resume() }
        }

        func didTerminate() {
            handler.eventLoop.execute {
                handler.value.abandonStream(call)
                handler.value.resume()
            }
        }
    }
}

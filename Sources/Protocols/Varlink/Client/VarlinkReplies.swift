import NIOCore

/// The replies of a `more` call, in order. The sequence ends with the last reply, which it includes, or throws:
/// ``VarlinkError`` if the service ended the call with an error, ``VarlinkConnectionError`` if the connection failed.
///
/// Replies are read from the socket only a few ahead of the reader. The connection's other calls wait meanwhile, so
/// give a long-lived stream its own connection. Leaving the stream before its end closes the connection, since Varlink
/// has no other way to end a call.
public struct VarlinkReplies: AsyncSequence, Sendable {
    /// One of the replies.
    public typealias Element = VarlinkReply
    typealias Sequence = NIOThrowingAsyncSequenceProducer<
        VarlinkReply, any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, Demand
    >
    typealias Source = Sequence.Source

    private let sequence: Sequence
    /// Kept open while there is a reader.
    private let connection: VarlinkConnection

    init(_ sequence: Sequence, connection: VarlinkConnection) {
        self.sequence = sequence
        self.connection = connection
    }

    /// For one reader.
    public func makeAsyncIterator() -> Iterator { Iterator(iterator: sequence.makeAsyncIterator(), connection: connection) }

    /// Gives the replies one by one.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let iterator: Sequence.AsyncIterator
        fileprivate let connection: VarlinkConnection

        /// The next reply; `nil` after the last.
        public func next() async throws -> VarlinkReply? { try await iterator.next() }
    }

    /// Passes the reader's demand to the event loop.
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

import ACME
import DNS
import NIOCore
import NIOPosix
import Synchronization

/// A DNS server on a free loopback port, over UDP and TCP, that answers as a test says, also what no server should. For
/// tests only.
public final class ScriptedDNSServer: Sendable {
    public struct Query: Sendable {
        public var bytes: [UInt8]
        public var isStream: Bool
        /// Of the question, in lower case and without a dot at the end.
        public var name: String
        public var type: UInt16

        public init?(_ bytes: [UInt8], isStream: Bool) {
            guard bytes.count > 12 else { return nil }
            var labels: [String] = []
            var at = 12
            while at < bytes.count, bytes[at] != 0 {
                let end = at + 1 + Int(bytes[at])
                guard end < bytes.count else { return nil }
                labels.append(String(decoding: bytes[(at + 1)..<end], as: UTF8.self).lowercased())
                at = end
            }
            guard at + 4 < bytes.count else { return nil }
            (self.bytes, self.isStream, name) = (bytes, isStream, labels.joined(separator: "."))
            type = UInt16(bytes[at + 1]) << 8 | UInt16(bytes[at + 2])
        }
    }

    /// What is sent for one request: datagrams, or pieces of a stream.
    public enum Answer: Sendable {
        case messages([[UInt8]])
        /// A byte at a time, with a pause after each; over UDP nothing.
        case drip([UInt8], pause: Duration)
        case close
    }

    public let server: DNSServer
    private let channels: [any Channel]
    private let received: Received

    /// All that was asked.
    public var asked: [Query] { received.queries.withLock { $0 } }

    private final class Received: Sendable {
        let queries = Mutex<[Query]>([])
        func note(_ query: Query) { queries.withLock { $0.append(query) } }
    }

    /// - Parameter port: 0 for a free one.
    public init(
        host: String = "127.0.0.1", port wanted: Int = 0, _ answer: @escaping @Sendable (Query) -> Answer
    ) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let received = Received()
        self.received = received
        let noted: @Sendable (Query) -> Answer = { query in
            received.note(query)
            return answer(query)
        }
        let streams = ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(StreamQueries(answer: noted))
            }
        }
        let datagrams = DatagramBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(DatagramQueries(answer: noted))
            }
        }
        // A port that is free for streams may be another's for datagrams.
        var tries = wanted == 0 ? 10 : 1, bound: [any Channel] = []
        while bound.isEmpty {
            let stream = try await streams.bind(host: host, port: wanted).get()
            do {
                bound = [stream, try await datagrams.bind(host: host, port: stream.localAddress?.port ?? 0).get()]
            } catch {
                try? await stream.close().get()
                tries -= 1
                guard tries > 0 else { throw error }
            }
        }
        channels = bound
        server = DNSServer(try IPAddress(host), port: bound.first?.localAddress?.port ?? 0)
    }

    public func stop() async { for channel in channels { try? await channel.close().get() } }
}

private final class DatagramQueries: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let answer: @Sendable (ScriptedDNSServer.Query) -> ScriptedDNSServer.Answer

    init(answer: @escaping @Sendable (ScriptedDNSServer.Query) -> ScriptedDNSServer.Answer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard let query = ScriptedDNSServer.Query(Array(envelope.data.readableBytesView), isStream: false),
            case .messages(let messages) = answer(query)
        else { return }
        for message in messages {
            context.channel.writeAndFlush(
                AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: message)), promise: nil)
        }
    }
}

private final class StreamQueries: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let answer: @Sendable (ScriptedDNSServer.Query) -> ScriptedDNSServer.Answer
    private var received: [UInt8] = []

    init(answer: @escaping @Sendable (ScriptedDNSServer.Query) -> ScriptedDNSServer.Answer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytesView
        guard received.count >= 2, received.count >= 2 + (Int(received[0]) << 8 | Int(received[1])),
            let query = ScriptedDNSServer.Query(Array(received[2...]), isStream: true)
        else { return }
        received = []
        switch answer(query) {
        case .messages(let messages):
            for message in messages {
                let length = [UInt8(truncatingIfNeeded: message.count >> 8), UInt8(truncatingIfNeeded: message.count)]
                context.channel.writeAndFlush(ByteBuffer(bytes: length + message), promise: nil)
            }
        case .drip(let bytes, let pause): drip(bytes[...], pause, context.channel)
        case .close: context.close(promise: nil)
        }
    }

    private func drip(_ bytes: ArraySlice<UInt8>, _ pause: Duration, _ channel: any Channel) {
        guard let first = bytes.first, channel.isActive else { return }
        channel.writeAndFlush(ByteBuffer(bytes: [first]), promise: nil)
        let rest = bytes.dropFirst()
        let loop = channel.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .nanoseconds(Int64(pause / .nanoseconds(1)))) { bound.value.drip(rest, pause, channel) }
    }
}

/// An answer to a query, byte by byte. For tests only.
public struct DNSReply: Sendable {
    public struct Record: Sendable {
        public var name: [UInt8]
        public var type: UInt16
        public var data: [UInt8]

        public init(_ name: String, _ type: UInt16, _ data: [UInt8]) {
            (self.name, self.type, self.data) = (DNSReply.name(name), type, data)
        }

        public static func alias(_ name: String, _ target: String) -> Record { Record(name, 5, DNSReply.name(target)) }
        public static func nameServer(_ zone: String, _ host: String) -> Record { Record(zone, 2, DNSReply.name(host)) }
        public static func address(_ name: String, _ bytes: [UInt8]) -> Record { Record(name, 1, bytes) }
        public static func authority(_ zone: String, primary: String) -> Record {
            Record(zone, 6, DNSReply.name(primary) + DNSReply.name("admin." + zone) + [UInt8](repeating: 0, count: 20))
        }
        public static func text(_ name: String, _ parts: [[UInt8]]) -> Record {
            Record(name, 16, parts.flatMap { [UInt8(truncatingIfNeeded: $0.count)] + $0 })
        }
    }

    public var id: [UInt8]
    public var question: [UInt8]
    public var code: UInt8 = 0
    public var isAuthoritative = true
    public var isTruncated = false
    public var operation: UInt8 = 0
    public var answers: [Record] = []
    public var authorities: [Record] = []

    /// - Parameter query: gives the id and the question.
    public init(to query: ScriptedDNSServer.Query, answers: [Record] = [], authorities: [Record] = []) {
        id = Array(query.bytes[..<2])
        operation = query.bytes[2] & 0x78
        question = DNSReply.name(query.name) + [UInt8(query.type >> 8), UInt8(truncatingIfNeeded: query.type), 0, 1]
        (self.answers, self.authorities) = (answers, authorities)
    }

    public var bytes: [UInt8] {
        let flags: UInt8 = 0x80 | operation | (isAuthoritative ? 4 : 0) | (isTruncated ? 2 : 0)
        var bytes: [UInt8] = id + [flags, code, 0, 1]
        bytes += Self.number(answers.count) + Self.number(authorities.count) + [0, 0] + question
        for record in answers + authorities {
            bytes += record.name + Self.number(Int(record.type))
            bytes += [0, 1, 0, 0, 0, 1] + Self.number(record.data.count) + record.data
        }
        return bytes
    }

    private static func number(_ number: Int) -> [UInt8] { [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)] }

    public static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) } + [0]
    }
}

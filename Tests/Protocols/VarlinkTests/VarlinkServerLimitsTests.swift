import NIOCore
import NIOEmbedded
import Testing
import Varlink

/// What a client can make a connection cost, and how such a connection ends.
@Suite struct VarlinkServerLimitsTests {
    private func limits(_ change: (inout VarlinkServerLimits) -> Void) -> VarlinkServerLimits {
        var limits = VarlinkServerLimits()
        change(&limits)
        return limits
    }

    @Test func messageSize() throws {
        let server = try EmbeddedServer(limits: limits { $0.messageSize = 64 })
        try server.call("Echo", #"{"text":"1234"}"#)
        #expect(try server.replies().count == 1)
        try server.send(String(repeating: " ", count: 64))
        #expect(server.closeReason == nil)
        try server.send(" ")
        #expect(server.closeReason == "a message was longer than 64 bytes")
    }

    @Test("a message that has started must be finished in time, even if bytes keep arriving")
    func slowWriter() throws {
        let server = try EmbeddedServer(limits: limits { $0.stalledPeerDeadline = .seconds(10) })
        let loop = server.channel.embeddedEventLoop
        loop.advanceTime(by: .hours(1))
        try server.send("{")
        for _ in 0..<9 {
            loop.advanceTime(by: .seconds(1))
            try server.send(" ")
        }
        #expect(server.closeReason == nil)
        loop.advanceTime(by: .seconds(1))
        #expect(server.closeReason == "a message was not finished in time")
    }

    @Test("each message has its own deadline, and the time of an answer does not count")
    func slowService() throws {
        let server = try EmbeddedServer(limits: limits { $0.stalledPeerDeadline = .seconds(10) })
        let loop = server.channel.embeddedEventLoop
        try server.send("{")
        loop.advanceTime(by: .seconds(9))
        try server.send(#""method":"org.example.test.Hold","parameters":{"text":""}}|{"#)
        loop.advanceTime(by: .hours(1))
        #expect(server.closeReason == nil)
        server.service.release()
        #expect(try server.replies().count == 1)
        loop.advanceTime(by: .seconds(9))
        #expect(server.closeReason == nil)
        loop.advanceTime(by: .seconds(1))
        #expect(server.closeReason == "a message was not finished in time")
    }

    @Test func idle() throws {
        let server = try EmbeddedServer(limits: limits { $0.idleTime = .seconds(60) })
        let loop = server.channel.embeddedEventLoop
        loop.advanceTime(by: .seconds(59))
        try server.call("Hold", #"{"text":""}"#)
        loop.advanceTime(by: .hours(1))
        #expect(server.closeReason == nil)
        server.service.release()
        #expect(try server.replies().count == 1)
        loop.advanceTime(by: .seconds(59))
        #expect(server.closeReason == nil)
        loop.advanceTime(by: .seconds(61))
        #expect(server.closeReason == "idle for too long")
    }

    @Test("reading stops while a client is ahead of the service, and resumes when it is not")
    func pipelinedBytes() throws {
        let server = try EmbeddedServer(limits: limits { $0.pipelinedBytes = 200 })
        try server.call("Hold", #"{"text":""}"#)
        let before = server.reads.count
        server.channel.read()
        #expect(server.reads.count == before + 1)
        for _ in 0..<4 { try server.call("Echo", #"{"text":"x"}"#) }
        let held = server.reads.count
        server.channel.read()
        #expect(server.reads.count == held)
        server.service.release()
        #expect(try server.replies().count == 5)
        #expect(server.reads.count == held + 1)
    }

    @Test("a client that does not read gets no further calls answered")
    func unwritable() throws {
        let server = try EmbeddedServer()
        server.setWritable(false)
        let held = server.reads.count
        server.channel.read()
        #expect(server.reads.count == held)
        try server.call("Echo", #"{"text":"x"}"#)
        #expect(try server.replies() == [])
        #expect(server.service.log == ["opened peer"])
        server.setWritable(true)
        #expect(try server.replies().count == 1)
        #expect(server.reads.count == held + 1)
    }

    @Test func slowReader() throws {
        let server = try EmbeddedServer(limits: limits { $0.stalledPeerDeadline = .seconds(10) })
        let loop = server.channel.embeddedEventLoop
        server.setWritable(false)
        loop.advanceTime(by: .seconds(9))
        server.setWritable(true)
        server.setWritable(false)
        loop.advanceTime(by: .seconds(9))
        #expect(server.closeReason == nil)
        loop.advanceTime(by: .seconds(1))
        #expect(server.closeReason == "replies were not read in time")
    }

    @Test("a stream waits for its reader")
    func politeStream() throws {
        let server = try EmbeddedServer()
        server.setWritable(false)
        server.setWritable(true)
        try server.call("Hold", #"{"text":""}"#, #","more":true"#)
        let reply = try #require(server.service.held.first?.reply)
        let loop = server.channel.embeddedEventLoop
        var woken = 0
        server.setWritable(false)
        #expect(!reply.isWritable && reply.isOpen)
        reply.onWritable { Issue.record("was replaced") }
        reply.onWritable { woken += 1 }
        loop.run()
        #expect(woken == 0)
        server.setWritable(true)
        #expect(reply.isWritable)
        // Not within the channel's event, and only once.
        #expect(woken == 0)
        loop.run()
        server.setWritable(false)
        server.setWritable(true)
        loop.run()
        #expect(woken == 1)
        // It runs even if there is nothing to wait for, but not before the loop has checked its sockets.
        reply.onWritable { woken += 1 }
        loop.run()
        #expect(woken == 1)
        loop.advanceTime(by: .milliseconds(1))
        #expect(woken == 2)
        server.setWritable(false)
        reply.onWritable { Issue.record("the call is over") }
        reply.succeed()
        server.setWritable(true)
        loop.run()
    }

    @Test("half close: the calls received are answered, then the connection ends")
    func halfClose() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":"a"}"#)
        try server.call("Echo", #"{"text":"b"}"#)
        server.endInput()
        #expect(server.channel.isActive)
        #expect(server.closeReason == nil)
        server.service.release()
        #expect(try server.replies() == [#"{"parameters":{"text":"a"}}"#, #"{"parameters":{"text":"b"}}"#])
        #expect(server.closeReason == "the client closed the connection")
        #expect(server.service.log.last == "closed peer")
        #expect(!server.service.log.contains("cancelled"))
    }

    @Test func halfCloseInAMessage() throws {
        let server = try EmbeddedServer()
        try server.send("{")
        server.endInput()
        #expect(server.closeReason == "the client disconnected before it was answered")
    }

    @Test("a call is cancelled, once, when its client goes away")
    func cancellation() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":""}"#)
        try server.call("Echo", #"{"text":""}"#)
        let reply = try #require(server.service.held.first?.reply)
        server.channel.close(promise: nil)
        server.channel.embeddedEventLoop.run()
        #expect(server.service.log == ["opened peer", "Hold", "cancelled", "closed peer"])
        #expect(!reply.isOpen)
        reply.succeed()
        reply.onCancel { Issue.record("cancelled twice") }
        #expect(!reply.next { _ in })
        #expect(server.closeReason == "the client disconnected before it was answered")
    }

    @Test func noCancellationAfterTheAnswer() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":""}"#)
        server.service.release()
        server.channel.close(promise: nil)
        server.channel.embeddedEventLoop.run()
        #expect(server.service.log == ["opened peer", "Hold", "closed peer"])
    }

    @Test("told to stop, a connection answers the calls that have arrived")
    func quiescing() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":"a"}"#)
        try server.call("Echo", #"{"text":"b"}"#)
        server.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(server.closeReason == nil)
        server.service.release()
        server.channel.embeddedEventLoop.run()
        #expect(try server.replies() == [#"{"parameters":{"text":"a"}}"#, #"{"parameters":{"text":"b"}}"#])
        #expect(server.closeReason == "the server is stopping")
    }

    @Test("a closed connection leaves no reference cycle")
    func nothingIsKept() throws {
        let service = try TestService()
        let channel = EmbeddedChannel()
        weak var handler: VarlinkServerHandler?
        weak var captured: ReadCounter?
        do {
            let made = VarlinkServerHandler(
                service: service, peer: "peer", core: VarlinkServerCore(service), eventLoop: channel.eventLoop,
                limits: limits { $0.idleTime = .seconds(60) })
            handler = made
            try channel.pipeline.syncOperations.addHandler(made)
            channel.connect(to: try SocketAddress(unixDomainSocketPath: "/test"), promise: nil)
            let call = #"{"method":"org.example.test.Hold","parameters":{"text":""},"more":true}"#
            try channel.writeInbound(ByteBuffer(bytes: Array(call.utf8) + [0]))
            let object = ReadCounter()
            captured = object
            channel.isWritable = false
            channel.pipeline.fireChannelWritabilityChanged()
            let reply = try #require(service.held.first?.reply)
            reply.onCancel { [object, reply] in _ = (object, reply) }
            reply.onWritable { [object, reply] in _ = (object, reply) }
        }
        #expect(handler != nil && captured != nil)
        _ = try channel.finish(acceptAlreadyClosed: true)
        service.release()
        #expect(handler == nil && captured == nil)
    }

    @Test func socketErrors() throws {
        let server = try EmbeddedServer()
        server.channel.pipeline.fireErrorCaught(ChannelError.inputClosed)
        #expect(server.closeReason?.hasPrefix("the connection failed") == true)
    }
}

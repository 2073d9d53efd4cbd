import NIOCore
import NIOEmbedded
import Testing
import Varlink

/// Calls and their answers.
@Suite struct VarlinkServerHandlerTests {
    private func echo(_ text: String) -> String { "{\"parameters\":{\"text\":\"\(text)\"}}" }
    private func error(_ name: String, _ parameters: String) -> String { "{\"error\":\"\(name)\",\"parameters\":\(parameters)}" }

    @Test func answers() throws {
        let server = try EmbeddedServer()
        try server.call("Echo", #"{"text":"é\n"}"#)
        #expect(try server.replies() == [#"{"parameters":{"text":"é\n"}}"#])
        try server.call("Refuse")
        #expect(try server.replies() == [error("org.example.test.Refused", #"{"why":"because"}"#)])
        #expect(server.service.log == ["opened peer", "Echo", "Refuse"])
    }

    @Test func byteByByte() throws {
        let server = try EmbeddedServer()
        for byte in "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"x\"}}|".utf8 {
            try server.send([byte == UInt8(ascii: "|") ? 0 : byte])
        }
        #expect(try server.replies() == [echo("x")])
    }

    @Test("pipelined calls are answered in order, one at a time, and in one write")
    func pipelining() throws {
        let server = try EmbeddedServer()
        let calls = (0..<20).map { "{\"method\":\"org.example.test.Echo\",\"parameters\":{\"text\":\"\($0)\"}}|" }
        try server.send(calls.joined())
        #expect(try server.writes() == 1)
        try server.send(calls.joined())
        #expect(try server.replies() == (0..<20).map { echo("\($0)") })
    }

    /// The wait for the call before belongs to a call's time.
    @Test func aCallKnowsWhenItWasRead() throws {
        let server = try EmbeddedServer(), before = NIODeadline.now()
        try server.call("Hold", #"{"text":"first"}"#)
        let first = try #require(server.service.held.first?.reply.received)
        try server.call("Hold", #"{"text":"second"}"#)
        let between = NIODeadline.now()
        #expect(before <= first && first <= between)
        #expect(server.service.held.first?.reply.received == first)
        server.service.release()
        #expect(try server.replies() == [echo("first")])
        let second = try #require(server.service.held.first?.reply.received)
        #expect(first <= second && second <= between)
    }

    @Test func laterCallsWaitForTheOneBefore() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":"first"}"#)
        try server.call("Echo", #"{"text":"second"}"#)
        try server.call("Hold", #"{"text":"third"}"#)
        #expect(try server.replies() == [])
        #expect(server.service.log == ["opened peer", "Hold"])
        server.service.release()
        // Not within the answer: the service may be in the middle of it.
        #expect(server.service.log == ["opened peer", "Hold"])
        server.channel.embeddedEventLoop.run()
        #expect(server.service.log == ["opened peer", "Hold", "Echo", "Hold"])
        #expect(try server.replies() == [echo("first"), echo("second")])
        server.service.release()
        #expect(try server.replies() == [echo("third")])
    }

    @Test("answers given together go out, and the next calls start, at the end and without a task on the loop")
    func together() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":"first"}"#)
        try server.call("Hold", #"{"text":"second"}"#)
        try server.call("Echo", #"{"text":"third"}"#)
        let first = try #require(server.service.held.first?.reply)
        first.together {
            server.service.release()
            // If nested, only the end of the outer one counts.
            first.together { #expect(server.service.log == ["opened peer", "Hold"]) }
            #expect(server.service.log == ["opened peer", "Hold"])
        }
        #expect(server.service.log == ["opened peer", "Hold", "Hold"])
        #expect(try server.channel.readOutbound(as: ByteBuffer.self) != nil)
        // What comes later uses the loop again.
        server.service.release()
        #expect(try server.channel.readOutbound(as: ByteBuffer.self) == nil)
        #expect(try server.replies() == [echo("second"), echo("third")])
    }

    @Test("a connection that pipelines a lot gives others their turn")
    func fairness() throws {
        var limits = VarlinkServerLimits()
        limits.callsInARow = 4
        let server = try EmbeddedServer(limits: limits)
        try server.send(String(repeating: #"{"method":"org.example.test.Echo","parameters":{"text":""}}|"#, count: 10))
        // The turn is over and the sockets come first: until the loop has checked them, this connection is not served.
        #expect(server.service.log.count == 5)
        server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
        #expect(try server.replies().count == 10)
    }

    @Test func answeredOnce() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":"a"}"#)
        let reply = try #require(server.service.held.first?.reply)
        #expect(reply.isOpen && reply.isWritable)
        reply.succeed()
        #expect(!reply.isOpen && !reply.isWritable)
        reply.succeed()
        reply.fail(.permissionDenied)
        #expect(!reply.next(parameters: []))
        try server.call("Hold", #"{"text":"b"}"#)
        reply.succeed()
        #expect(try server.replies() == [#"{"parameters":{}}"#])
        #expect(server.service.held.last?.reply.isOpen == true)
    }

    @Test func oneway() throws {
        let server = try EmbeddedServer()
        try server.call("Echo", #"{"text":"x"}"#, #","oneway":true"#)
        try server.call("Refuse", "{}", #","oneway":true"#)
        try server.call("Missing", "{}", #","oneway":true"#)
        try server.call("Echo", "{}", #","oneway":true"#)
        try server.call("Echo", "{}", #","oneway":true,"extra":1"#)
        try server.call("Stream", #"{"count":3,"size":1,"politely":true}"#, #","oneway":true"#)
        try server.send(#"{"method":"org.varlink.service.GetInfo","oneway":true}|"#)
        #expect(try server.replies() == [])
        try server.call("Hold", #"{"text":"x"}"#, #","oneway":true"#)
        try server.call("Echo", #"{"text":"after"}"#)
        #expect(try server.replies() == [])
        server.service.release()
        #expect(try server.replies() == [echo("after")])
        #expect(server.closeReason == nil)
    }

    @Test func more() throws {
        let server = try EmbeddedServer()
        try server.call("Stream", #"{"count":3,"size":1,"politely":true}"#, #","more":true"#)
        #expect(
            try server.replies() == [
                #"{"parameters":{"number":1,"filling":"x"},"continues":true}"#,
                #"{"parameters":{"number":2,"filling":"x"},"continues":true}"#,
                #"{"parameters":{"number":3,"filling":"x"}}"#,
            ])
        try server.call("Stream", #"{"count":3,"size":1,"politely":true}"#)
        #expect(try server.replies() == [error("org.varlink.service.ExpectedMore", "{}")])
        #expect(server.service.log.last == "stream ended at 1")
        // `more` allows several replies; it does not require them.
        try server.call("Echo", #"{"text":"x"}"#, #","more":true"#)
        #expect(try server.replies() == [echo("x")])
    }

    @Test func theServiceInterface() throws {
        let server = try EmbeddedServer()
        try server.send(#"{"method":"org.varlink.service.GetInfo"}|"#)
        let interfaces = #"["org.varlink.service","org.example.test"]"#
        #expect(
            try server.replies() == [
                #"{"parameters":{"vendor":"Example","product":"Test","version":"1.0","url":"https://example.org","interfaces":\#(interfaces)}}"#
            ])
        try server.send(#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.example.test"}}|"#)
        let text = TestService.text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: #"\n"#)
        #expect(try server.replies() == ["{\"parameters\":{\"description\":\"\(text)\"}}"])
        #expect(server.service.log == ["opened peer"])
    }

    @Test(arguments: [
        (#"{"method":"org.varlink.service.GetInfo","parameters":{"x":1}}"#, "InvalidParameter", #"{"parameter":"x"}"#),
        (#"{"method":"org.varlink.service.GetInterfaceDescription"}"#, "InvalidParameter", #"{"parameter":"interface"}"#),
        (
            #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":1}}"#, "InvalidParameter",
            #"{"parameter":"interface"}"#
        ),
        (
            #"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"a.b"}}"#, "InterfaceNotFound",
            #"{"interface":"a.b"}"#
        ),
        (#"{"method":"org.varlink.service.Missing"}"#, "MethodNotFound", #"{"method":"org.varlink.service.Missing"}"#),
        (#"{"method":"org.example.test.Missing"}"#, "MethodNotFound", #"{"method":"org.example.test.Missing"}"#),
        (#"{"method":"org.example.test2.Echo"}"#, "InterfaceNotFound", #"{"interface":"org.example.test2"}"#),
        (#"{"method":"Echo"}"#, "InvalidParameter", #"{"parameter":"method"}"#),
        (#"{"method":"org.example.test.Echo"}"#, "InvalidParameter", #"{"parameter":"text"}"#),
        (#"{"method":"org.example.test.Echo","parameters":{"text":1}}"#, "InvalidParameter", #"{"parameter":"text"}"#),
        (#"{"method":"org.example.test.Echo","parameters":{"text":"","x":1}}"#, "InvalidParameter", #"{"parameter":"x"}"#),
        (#"{"method":"org.example.test.Echo","upgrade":true}"#, "InvalidParameter", #"{"parameter":"upgrade"}"#),
        (#"{"method":"org.example.test.Echo","extra":true}"#, "InvalidParameter", #"{"parameter":"extra"}"#),
    ])
    func errorsLeaveTheConnectionAlive(_ message: String, _ name: String, _ parameters: String) throws {
        let server = try EmbeddedServer()
        try server.send(message + "|")
        #expect(try server.replies() == [error("org.varlink.service.\(name)", parameters)])
        try server.call("Echo", #"{"text":"x"}"#)
        #expect(try server.replies() == [echo("x")])
    }

    @Test(arguments: ["|", "{|", "[]|", "null|", "{}{}|", #"{"method":"a.b.C","method":"a.b.C"}|"#, "\u{FEFF}{}|"])
    func malformedMessagesEndTheConnection(_ message: String) throws {
        let server = try EmbeddedServer()
        try server.call("Echo", #"{"text":"before"}"#)
        try server.send(message + #"{"method":"org.example.test.Echo","parameters":{"text":"behind"}}|"#)
        #expect(try server.replies() == [echo("before")])
        #expect(server.closeReason?.hasPrefix("malformed message: ") == true)
        #expect(server.service.log == ["opened peer", "Echo", "closed peer"])
        #expect(!server.channel.isActive)
    }

    @Test("calls before a malformed message are still answered")
    func answersBeforeTheEnd() throws {
        let server = try EmbeddedServer()
        try server.call("Hold", #"{"text":"held"}"#)
        try server.send("{|")
        #expect(server.channel.isActive)
        server.service.release()
        #expect(try server.replies() == [echo("held")])
        #expect(server.closeReason?.hasPrefix("malformed") == true)
    }

    @Test("random messages neither trap nor hang, and are answered or end the connection")
    func fuzz() throws {
        var random = SeededGenerator(7)
        let message = Array(#"{"method":"org.example.test.Echo","parameters":{"text":"x"},"more":true,"oneway":false}"#.utf8)
        for _ in 0..<3000 {
            let server = try EmbeddedServer()
            var bytes = message
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            try server.send(bytes + [0])
            let count = try server.replies().count
            #expect(count > 0 || server.closeReason != nil || server.service.log.contains("Echo"))
        }
    }
}

import NIOCore
import NIOEmbedded
import Testing

@testable import Varlink

/// How much memory unfinished messages and unread answers may take.
@Suite struct ByteBudgetTests {
    private final class Connection {}

    @Test func eachUserHasItsShareAndWhoHoldsLittleIsNotStoppedByThoseWhoHoldMuch() {
        var budget = ByteBudget<Connection>(perUser: 100, total: 250)
        let users = (0..<4).map { UserAccount<Connection>(user: $0) }
        for user in users[..<3] { budget.change(user, input: 99, output: 0) }
        #expect(budget.used == 297)
        // All users together are over the limit: each gets a third, including a newcomer.
        #expect(budget.bound == 83)
        #expect(!budget.mayReceive(users[0]))
        #expect(budget.mayReceive(users[3]))
        for user in users[..<3] { budget.change(user, input: -99, output: 0) }
        #expect(budget.used == 0 && budget.holders == 0)
        #expect(budget.bound == 100)
    }

    @Test func unreadAnswersMayTakeHalfOfAUsersShare() {
        var budget = ByteBudget<Connection>(perUser: 100, total: 1_000)
        let user = UserAccount<Connection>(user: 1)
        budget.change(user, input: 0, output: 49)
        #expect(budget.mayAnswer(user) && budget.mayReceive(user))
        budget.change(user, input: 0, output: 1)
        #expect(!budget.mayAnswer(user) && budget.mayReceive(user))
    }

    /// Several connections of several users to one server, without sockets.
    private struct Several {
        let service: UserService
        let core: VarlinkServerCore
        let channels: [EmbeddedChannel]
        let reads: [ReadCounter]

        init(users: [UInt64], limits: VarlinkServerLimits) throws {
            var limits = limits
            limits.turn = .hours(1)
            limits.slice = .hours(1)
            limits.sliceAlone = .hours(1)
            let service = try UserService()
            let core = VarlinkServerCore(service, limits: limits)
            var channels: [EmbeddedChannel] = []
            var reads: [ReadCounter] = []
            let loop = EmbeddedEventLoop()
            for user in users {
                let channel = EmbeddedChannel(loop: loop)
                let counter = ReadCounter()
                let handler = VarlinkServerHandler(
                    service: service, peer: user, core: core, eventLoop: loop, limits: limits)
                try channel.pipeline.syncOperations.addHandlers([counter, handler])
                channel.connect(to: try SocketAddress(unixDomainSocketPath: "/test"), promise: nil)
                channels.append(channel)
                reads.append(counter)
            }
            (self.service, self.core, self.channels, self.reads) = (service, core, channels, reads)
        }

        func run() {
            channels[0].embeddedEventLoop.run()
            channels[0].embeddedEventLoop.advanceTime(by: .milliseconds(5))
        }
    }

    private final class UserService: VarlinkService {
        let info = VarlinkServiceInfo(vendor: "", product: "", version: "", url: "")
        let interfaces: [VarlinkInterface]
        var held: [VarlinkReplier] = []

        init() throws { interfaces = [try VarlinkInterface(parsing: TestService.text)] }

        func user(of peer: UInt64) -> UInt64 { peer }

        func handle(_ call: VarlinkCall, peer: UInt64, reply: VarlinkReplier) {
            if call.method.memberName == "Hold" {
                held.append(reply)
            } else {
                let text = (try? call.parameters.string("text")) ?? ""
                reply.succeed { $0.member("text", text) }
            }
        }
    }

    private func message(_ method: String, _ size: Int) -> [UInt8] {
        Array(#"{"method":"org.example.test.\#(method)","parameters":{"text":"\#(String(repeating: "x", count: size))"}}"#.utf8) + [0]
    }

    @Test("beyond its share only one connection of a user is read; others are read, and the user again when there is room")
    func backpressure() throws {
        var limits = VarlinkServerLimits()
        limits.bytesPerUser = 64 * 1024
        let several = try Several(users: [1, 1, 1, 2], limits: limits)
        func reads(_ index: Int) -> Bool {
            let before = several.reads[index].count
            several.channels[index].read()
            return several.reads[index].count > before
        }
        let long = message("Echo", 100_000)
        try several.channels[0].writeInbound(ByteBuffer(bytes: long[..<70_000]))
        #expect(several.core.schedule.bytes >= 64 * 1024)
        // The first that asks may finish its message.
        #expect(reads(0))
        #expect(!reads(1))
        #expect(!reads(2))
        #expect(reads(3))
        let held = several.reads[1].count
        try several.channels[0].writeInbound(ByteBuffer(bytes: long[70_000...]))
        several.run()
        #expect(several.reads[1].count == held + 1)
        #expect(several.core.schedule.bytes == 0)
    }

    @Test("unread replies are kept in one buffer, and stop their user's calls at half of the share")
    func unreadAnswers() throws {
        var limits = VarlinkServerLimits()
        limits.bytesPerUser = 256 * 1024
        let several = try Several(users: [1, 1, 2], limits: limits)
        func answered(_ index: Int) throws -> Bool {
            several.run()
            return try several.channels[index].readOutbound(as: ByteBuffer.self) != nil
        }
        // A call is in progress when the client stops reading; its answer waits.
        try several.channels[0].writeInbound(ByteBuffer(bytes: message("Hold", 1)))
        several.channels[0].isWritable = false
        several.channels[0].pipeline.fireChannelWritabilityChanged()
        several.service.held.removeFirst().succeed { $0.member("text", String(repeating: "y", count: 150_000)) }
        #expect(try !answered(0))
        #expect(several.core.schedule.bytes > 128 * 1024)
        try several.channels[1].writeInbound(ByteBuffer(bytes: message("Echo", 1)))
        #expect(try !answered(1))
        try several.channels[2].writeInbound(ByteBuffer(bytes: message("Echo", 1)))
        #expect(try answered(2))
        several.channels[0].isWritable = true
        several.channels[0].pipeline.fireChannelWritabilityChanged()
        #expect(try answered(0))
        #expect(try answered(1))
        #expect(several.core.schedule.bytes == 0)
    }

    @Test("whatever connections do, the account is balanced once they are closed", arguments: 1...40 as ClosedRange<UInt64>)
    func accountsAreEven(seed: UInt64) throws {
        var generator = SeededGenerator(seed)
        var limits = VarlinkServerLimits()
        limits.bytesPerUser = 96 * 1024
        limits.bytes = 128 * 1024
        let several = try Several(users: [1, 1, 2, 2, 3], limits: limits)
        for _ in 0..<120 {
            let channel = several.channels[Int.random(in: 0..<5, using: &generator)]
            guard channel.isActive else { continue }
            switch Int.random(in: 0..<8, using: &generator) {
            case 0...3:
                let whole = message(Bool.random(using: &generator) ? "Echo" : "Hold", Int.random(in: 1...40_000, using: &generator))
                let part = whole.prefix(Int.random(in: 1...whole.count, using: &generator))
                try channel.writeInbound(ByteBuffer(bytes: part))
            case 4:
                channel.isWritable.toggle()
                channel.pipeline.fireChannelWritabilityChanged()
            case 5:
                if !several.service.held.isEmpty { several.service.held.removeFirst().succeed { $0.member("text", "z") } }
            case 6: several.run()
            default: if Int.random(in: 0..<6, using: &generator) == 0 { channel.close(promise: nil) }
            }
            while let _: ByteBuffer = try channel.readOutbound() {}
        }
        for channel in several.channels where channel.isActive { channel.close(promise: nil) }
        several.run()
        #expect(several.core.schedule.bytes == 0)
    }
}

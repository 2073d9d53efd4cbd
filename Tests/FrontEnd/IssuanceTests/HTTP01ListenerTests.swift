import ACME
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import Issuance

@Suite struct HTTP01ListenerTests {
    /// One exchange over a socket.
    private func exchange(_ port: Int, _ text: String, host: String = "127.0.0.1") async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var answer = ""
            for try await buffer in inbound { answer += String(buffer: buffer) }
            return answer
        }
    }

    @Test func onlyExactTokensAreServed() async throws {
        let listener = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await listener.prepare()
        let port = try #require(listener.port)
        let shown = try listener.answer()
        try await listener.present(shown)
        let good = try await exchange(port, "GET /.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\nHost: www.example.org\r\n\r\n")
        #expect(good.hasPrefix("HTTP/1.1 200 ") && good.hasSuffix("\r\n\r\ndG9rZW4.thumb"))
        #expect(good.contains("application/octet-stream"))
        for path in [
            "/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/dG9rZW4/", "/.well-known/acme-challenge/dG9rZW4?a",
            "/.well-known/acme-challenge/../../etc/passwd",
        ] {
            #expect(try await exchange(port, "GET \(path) HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        }
        #expect(try await exchange(port, "\u{16}\u{3}\n\n").hasPrefix("HTTP/1.1 400 "))
        try await listener.cleanUp(shown)
        #expect(try await exchange(port, "GET /.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        await listener.finish()
        await listener.finish()
        await #expect(throws: (any Error).self) { try await exchange(port, "GET / HTTP/1.1\r\n\r\n") }
    }

    /// A head that never ends, one that is too large, input after the request: each is answered, and the connection
    /// closed.
    @Test(
        arguments: [
            ("\r\n\r\nGET /.well-known/acme-challenge/dG9rZW4 HTTP/1.0\r\n\r\n", "200"),
            ("HEAD /.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
            ("GET http://www.example.org/.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
            ("POST /.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\nContent-Length: 100000\r\n\r\nx", "404"),
            ("GET / HTTP/2.0\r\n\r\n", "400"), ("GET /\u{0} HTTP/1.1\r\n\r\n", "400"), ("GET\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 9000), "400"),
            ("GET /" + String(repeating: "x", count: 9000), "400"),
            ("GET / HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 1000), "400"),
        ])
    func headsAreBounded(text: String, status: String) async throws {
        let listener = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await listener.prepare()
        try await listener.present(try listener.answer())
        let port = try #require(listener.port)
        let answer = try await exchange(port, text)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
        #expect(answer.hasSuffix(text.hasPrefix("HEAD") ? "\r\n\r\n" : status == "200" ? "\r\n\r\ndG9rZW4.thumb" : "\n"))
        await listener.finish()
    }

    /// Bytes that the parser does not count as part of the head are bounded too, and what follows the head is not kept.
    @Test(arguments: [
        ("GET / HTTP/1.1\r\nA:", " "), ("GET / HTTP/1.1\r\nA:", "\t"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA:", " "),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "x"), ("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "x"),
    ])
    func noConnectionHasTheListenerKeepMuch(text: String, filling: String) async throws {
        let listener = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await listener.prepare()
        let port = try #require(listener.port)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port).get()
        let piece = ByteBuffer(string: String(repeating: filling, count: 64 * 1024))
        var pieces = 0
        do {
            try await channel.writeAndFlush(ByteBuffer(string: text))
            while pieces < 1_024 {
                try await channel.writeAndFlush(piece)
                pieces += 1
            }
        } catch is IOError {
        } catch is ChannelError {}
        // The sockets' buffers take some megabytes.
        #expect(pieces < 512)
        try? await channel.close()
        await listener.finish()
    }

    /// It is not the CA that is waited for.
    @Test func whatItWaitsForIsSaid() async throws {
        let first = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await first.prepare()
        let port = try #require(first.port), said = Mutex<[String]>([])
        let second = HTTP01Listener([.address(try ListenAddress("127.0.0.1:\(port)"))], patience: .seconds(20)) { event in
            if case .waiting(_, let reason) = event { said.withLock { $0.append(reason) } }
        }
        async let prepared: Void = second.prepare()
        for _ in 0..<1_000 where said.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(said.withLock { $0 } == ["for another program to leave 127.0.0.1:\(port)"])
        await first.finish()
        try await prepared
        #expect(said.withLock { $0.last } == "for the CA")
        await second.finish()
    }

    @Test func oneRequestIsAnsweredInEachConnection() async throws {
        let listener = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await listener.prepare()
        let port = try #require(listener.port)
        let request = "GET /.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\nHost: x\r\n\r\n"
        let answer = try await exchange(port, request + request + "no request\r\n\r\n")
        #expect(answer.components(separatedBy: "HTTP/1.1 ").count == 2, "\(answer)")
        await listener.finish()
    }

    @Test func bothFamiliesAreServed() async throws {
        let listener = try await listeningOnBothFamilies()
        let port = try #require(listener.port)
        #expect(try await exchange(port, "GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        #expect(try await exchange(port, "GET / HTTP/1.1\r\n\r\n", host: "::1").hasPrefix("HTTP/1.1 404 "))
        await listener.finish()
    }

    /// The same port on both; concurrent tests may take it in between.
    private func listeningOnBothFamilies() async throws -> HTTP01Listener {
        for _ in 0..<20 {
            let probe = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
            try await probe.prepare()
            let port = try #require(probe.port)
            await probe.finish()
            let addresses = [try ListenAddress("0.0.0.0:\(port)"), try ListenAddress("[::]:\(port)")]
            let listener = HTTP01Listener(addresses: addresses, patience: .zero)
            do { try await listener.prepare() } catch IssuanceError.busy { continue }
            return listener
        }
        throw PebbleError(message: "no port is free for both families")
    }

    /// Two `[[challenge]]` parts, or one and the general setting.
    @Test(arguments: [false, true]) func listenersOfOneOrderAreNotInEachOthersWay(isWiderFirst: Bool) async throws {
        for _ in 0..<20 {
            let probe = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
            try await probe.prepare()
            let port = try #require(probe.port)
            await probe.finish()
            let site = HTTP01Listener.Site(patience: .zero)
            var texts = [["127.0.0.1:\(port)"], ["0.0.0.0:\(port)"]]
            if isWiderFirst { texts.reverse() }
            let listeners = try texts.map { HTTP01Listener(try $0.map { try ListenEndpoint($0) }, at: site) }
            // Another test may have taken it.
            do { try await listeners[0].prepare() } catch IssuanceError.busy { continue }
            try await listeners[1].prepare()
            try await listeners[0].prepare()
            for (listener, token) in zip(listeners, ["b25l", "dHdv"]) {
                try await listener.present(try listener.answer(token: token))
                #expect(
                    try listener.target(of: Identifier(argument: "www.example.org"), listener.answer(token: token).keyAuthorization)
                        .hasPrefix(texts[listener === listeners[0] ? 0 : 1][0] + "/"))
            }
            for token in ["b25l", "dHdv"] {
                let answer = try await exchange(port, "GET /.well-known/acme-challenge/\(token) HTTP/1.1\r\n\r\n")
                #expect(answer.hasSuffix("\(token).thumb"), "\(answer)")
            }
            for listener in listeners { await listener.finish() }
            await #expect(throws: (any Error).self) { try await exchange(port, "GET / HTTP/1.1\r\n\r\n") }
            return
        }
        Issue.record("no port is free")
    }

    @Test func aSocketForEveryAddressCoversTheOthers() throws {
        func distinct(_ texts: [String]) throws -> [String] {
            ChallengeServer.distinct(try texts.map { try ListenEndpoint($0) }).map(\.description)
        }
        #expect(try distinct(["127.0.0.1:80", "[::]:80", "0.0.0.0:80", "[::1]:80"]) == ["[::]:80", "0.0.0.0:80"])
        #expect(try distinct(["127.0.0.1:80", "0.0.0.0:81", "[::]:80", "127.0.0.1:80"]) == ["127.0.0.1:80", "0.0.0.0:81", "[::]:80"])
        #expect(try distinct(["0.0.0.0:80", "0.0.0.0:80", "fd:http", "fd:http"]) == ["0.0.0.0:80", "fd:http"])
        #expect(try distinct(["0.0.0.0:0", "127.0.0.1:0"]) == ["0.0.0.0:0", "127.0.0.1:0"])
    }

    @Test func anAddressInUseIsExplained() async throws {
        let first = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await first.prepare()
        let second = HTTP01Listener(
            addresses: [try ListenAddress("127.0.0.1:0"), try ListenAddress("127.0.0.1:\(try #require(first.port))")],
            patience: .milliseconds(50))
        await #expect { try await second.prepare() } throws: { error in
            guard case .busy(let reason, let hint)? = error as? IssuanceError else { return false }
            return reason.contains("another program listens") && hint?.contains("--webroot") == true
        }
        #expect(second.port == nil)
        await first.finish()
    }

    @Test func anotherOrderOnThePortIsWaitedFor() async throws {
        let first = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await first.prepare()
        let second = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:\(try #require(first.port))")])
        let end = Task {
            try await Task.sleep(for: .milliseconds(300))
            await first.finish()
        }
        try await second.prepare()
        try await end.value
        #expect(second.port != nil)
        await second.finish()
    }

    @Test func itIsSeenWhenTheCAHasLooked() async throws {
        let listener = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await listener.prepare()
        let port = try #require(listener.port)
        let names = try (0..<3).map { try listener.answer("n\($0).example.org", token: "token\($0)") }
        for name in names { try await listener.present(name) }
        async let looked = listener.waitForValidation(of: names, quiet: .milliseconds(12), limit: .seconds(20))
        for index in 0..<3 { _ = try await exchange(port, "GET /.well-known/acme-challenge/token\(index) HTTP/1.1\r\n\r\n") }
        #expect(await looked)
        #expect(
            await !listener.waitForValidation(of: [try listener.answer(token: "other")], quiet: .milliseconds(12), limit: .milliseconds(30))
        )
        await listener.finish()
    }

    @Test func addressesAreRead() throws {
        #expect(try ListenAddress("0.0.0.0:80").description == "0.0.0.0:80")
        #expect(try ListenAddress("[2001:db8::1]:8080").description == "[2001:db8::1]:8080")
        for text in ["", "80", "localhost:80", "127.0.0.1", "127.0.0.1:99999", "::1:80x", ":80"] {
            #expect(throws: IssuanceError.self) { try ListenAddress(text) }
        }
    }
}

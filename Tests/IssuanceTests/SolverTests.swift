import ACME
import Foundation
import JOSE
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Issuance

enum FileTests {
    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

private func challenge(_ name: String = "www.example.org", token: String = "dG9rZW4", type: ChallengeType = .http01) throws
    -> SolvableChallenge
{
    SolvableChallenge(
        type: type, identifier: try Identifier(argument: name), keyAuthorization: KeyAuthorization(token: token, thumbprint: "thumb"))
}

extension ChallengeSolver {
    fileprivate func presented(_ challenge: SolvableChallenge) -> PresentedChallenge {
        PresentedChallenge(
            type: challenge.type, identifier: challenge.identifier, target: target(of: challenge),
            keyAuthorization: challenge.keyAuthorization.text)
    }
}

@Suite struct ChallengeRequestTests {
    private func read(_ text: String) -> ChallengeRequest.Reading { ChallengeRequest.read(Array(text.utf8)) }

    @Test(
        arguments: [
            ("GET /.well-known/acme-challenge/abc HTTP/1.1\r\nHost: x\r\n\r\n", "abc"),
            ("HEAD /.well-known/acme-challenge/abc HTTP/1.0\r\n\r\n", "abc"),
            ("GET http://x:80/.well-known/acme-challenge/abc HTTP/1.1\r\n\r\n", "abc"),
            ("GET /.well-known/acme-challenge/abc HTTP/1.1\n\n", "abc"),
            ("GET /.well-known/acme-challenge/../abc HTTP/1.1\r\n\r\n", "../abc"),
            ("GET /.well-known/acme-challenge/abc?x HTTP/1.1\r\n\r\n", "abc?x"),
            ("GET / HTTP/1.1\r\n\r\n", nil),
            ("GET http://x HTTP/1.1\r\n\r\n", nil),
            ("POST /.well-known/acme-challenge/abc HTTP/1.1\r\n\r\n", nil),
        ] as [(String, String?)])
    func targets(text: String, token: String?) {
        guard case .request(let request) = read(text) else { Issue.record("no request"); return }
        #expect(request.token == token)
    }

    @Test(arguments: [
        "\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET /\u{0} HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\n\n",
    ])
    func whatIsNoHTTPIsRefused(text: String) { #expect(read(text) == .malformed) }

    @Test func aHeadIsBounded() {
        #expect(read("GET / HTTP/1.1\r\n") == .incomplete)
        #expect(read("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 9000)) == .malformed)
        #expect(read("GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 9000) + "\r\n\r\n") == .malformed)
    }
}

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
        let shown = try challenge()
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
        try await listener.cleanUp(listener.presented(shown))
        #expect(try await exchange(port, "GET /.well-known/acme-challenge/dG9rZW4 HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        await listener.finish()
        await listener.finish()
        await #expect(throws: (any Error).self) { try await exchange(port, "GET / HTTP/1.1\r\n\r\n") }
    }

    @Test func bothFamiliesAreServed() async throws {
        let listener = try await listeningOnBothFamilies()
        let port = try #require(listener.port)
        #expect(try await exchange(port, "GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        #expect(try await exchange(port, "GET / HTTP/1.1\r\n\r\n", host: "::1").hasPrefix("HTTP/1.1 404 "))
        await listener.finish()
    }

    /// The same port on both; tests beside this one may take it in between.
    private func listeningOnBothFamilies() async throws -> HTTP01Listener {
        for _ in 0..<20 {
            let probe = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
            try await probe.prepare()
            let port = try #require(probe.port)
            await probe.finish()
            let listener = HTTP01Listener(addresses: [try ListenAddress("0.0.0.0:\(port)"), try ListenAddress("[::]:\(port)")])
            do { try await listener.prepare() } catch IssuanceError.solver(_, let reason, _) where reason.contains("another program") {
                continue
            }
            return listener
        }
        throw PebbleError(message: "no port is free for both families")
    }

    @Test func anAddressInUseIsExplained() async throws {
        let first = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await first.prepare()
        let second = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:\(try #require(first.port))")])
        await #expect { try await second.prepare() } throws: { error in
            guard case .solver(_, let reason, let hint)? = error as? IssuanceError else { return false }
            return reason.contains("another program listens") && hint?.contains("--webroot") == true
        }
        await first.finish()
    }

    @Test func itIsSeenWhenTheCAHasLooked() async throws {
        let listener = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:0")])
        try await listener.prepare()
        let port = try #require(listener.port)
        let names = try (0..<3).map { try challenge("n\($0).example.org", token: "token\($0)") }
        for name in names { try await listener.present(name) }
        async let looked = listener.waitForValidation(of: names, limit: .seconds(20))
        for index in 0..<3 { _ = try await exchange(port, "GET /.well-known/acme-challenge/token\(index) HTTP/1.1\r\n\r\n") }
        #expect(await looked)
        #expect(await !listener.waitForValidation(of: [try challenge(token: "other")], limit: .milliseconds(30)))
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

@Suite struct HTTP01WebrootTests {
    @Test func aFileIsThereAndGoneAgain() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path + "/")
        try await webroot.prepare()
        let shown = try challenge()
        try await webroot.present(shown)
        let path = root.file(".well-known/acme-challenge/dG9rZW4")
        #expect(webroot.target(of: shown) == path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "dG9rZW4.thumb")
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o644)
        // Another process, after a crash.
        try await HTTP01Webroot(root: root.path).cleanUp(webroot.presented(shown))
        #expect(!FileTests.exists(path))
        try await webroot.cleanUp(webroot.presented(shown))
        await webroot.finish()
        #expect(!FileTests.exists(root.file(".well-known")))
    }

    @Test func whatIsNotOursStays() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path)
        try await webroot.prepare()
        let shown = try challenge()
        let path = webroot.target(of: shown)
        try "mine".write(toFile: path, atomically: true, encoding: .utf8)
        try await webroot.cleanUp(webroot.presented(shown))
        #expect(FileTests.exists(path))
        await webroot.finish()
        #expect(FileTests.exists(path))
        // A target from a damaged journal leads nowhere.
        let victim = try root.write("victim", "dG9rZW4.thumb")
        for target in [victim, "/etc/passwd", "", "victim", root.path + "/.well-known/acme-challenge/../../victim"] {
            try await webroot.cleanUp(
                PresentedChallenge(type: .http01, identifier: shown.identifier, target: target, keyAuthorization: "dG9rZW4.thumb"))
        }
        #expect(FileTests.exists(victim))
    }

    @Test func aLinkIsNotFollowed() async throws {
        let root = try TemporaryFolder()
        let elsewhere = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: root.file(".well-known"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: root.file(".well-known/acme-challenge"), withDestinationPath: elsewhere.path)
        await #expect(throws: IssuanceError.self) { try await HTTP01Webroot(root: root.path).prepare() }

        let other = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: other.path)
        try await webroot.prepare()
        let victim = try elsewhere.write("victim", "precious")
        for name in ["dG9rZW4", ".dG9rZW4.new"] {
            try FileManager.default.createSymbolicLink(
                atPath: other.file(".well-known/acme-challenge/\(name)"), withDestinationPath: victim)
        }
        try await webroot.present(try challenge())
        #expect(try elsewhere.read("victim") == "precious")
        #expect(try other.read(".well-known/acme-challenge/dG9rZW4") == "dG9rZW4.thumb")
    }

    @Test func aTokenThatIsAPathIsRefused() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path)
        try await webroot.prepare()
        for token in ["../x", "a/b", "", ".", "a b", "a\u{0}b"] {
            await #expect(throws: IssuanceError.self) { try await webroot.present(try challenge(token: token)) }
        }
    }

    @Test func aMissingFolderIsExplained() async throws {
        await #expect { try await HTTP01Webroot(root: "/nonexistent/www").prepare() } throws: { error in
            "\(error)".contains("/nonexistent/www/.well-known: No such file or directory")
        }
    }

    @Test func itIsSeenWhenTheFileWasRead() async throws {
        let root = try TemporaryFolder()
        let webroot = HTTP01Webroot(root: root.path)
        try await webroot.prepare()
        let shown = try challenge()
        try await webroot.present(shown)
        _ = try String(contentsOfFile: webroot.target(of: shown), encoding: .utf8)
        #expect(await webroot.waitForValidation(of: [shown], limit: .seconds(20)))
        #expect(await !webroot.waitForValidation(of: [try challenge(token: "b3RoZXI")], limit: .milliseconds(50)))
        await webroot.finish()
    }
}

@Suite struct DNS01HookTests {
    private func hook(_ folder: TemporaryFolder, _ script: String, timeout: Duration = .seconds(20)) throws -> DNS01Hook {
        let path = try folder.write("hook", "#!/bin/sh\n" + script, mode: 0o700)
        return DNS01Hook(program: ExternalProgram(path: path, environment: ["PATH": "/usr/bin:/bin"], timeout: timeout))
    }

    @Test func argumentsEnvironmentAndInputSayTheSame() async throws {
        let folder = try TemporaryFolder()
        let out = folder.file("out")
        let solver = try hook(
            folder,
            "{ printf '%s\\n' \"$#\" \"$@\" \"$ACME_AGENT_ACTION\" \"$ACME_AGENT_RECORD_NAME\" \"$ACME_AGENT_IDENTIFIER\"; cat; } > '\(out)'\n"
        )
        let shown = try challenge("*.example.org", type: .dns01)
        try await solver.present(shown)
        let value = shown.keyAuthorization.dns01Value
        #expect(
            try folder.read("out") == """
                3
                present
                _acme-challenge.example.org
                \(value)
                present
                _acme-challenge.example.org
                *.example.org
                {"action":"present","type":"dns-01","identifier":"*.example.org","name":"_acme-challenge.example.org","value":"\(value)"}

                """)
        try await solver.cleanUp(solver.presented(shown))
        #expect(try folder.read("out").hasPrefix("3\ncleanup\n_acme-challenge.example.org\n\(value)\n"))
    }

    @Test func exitCodeAndLastLinesReachTheUser() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "seq 1 100\nprintf 'zone \\033[31mlocked\\n' > /dev/stderr\nexit 3\n")
        await #expect { try await solver.present(try challenge(type: .dns01)) } throws: { error in
            let text = "\(error)"
            return text.contains("exit code 3") && text.contains("| 100") && !text.contains("| 90\n") && text.contains("locked")
                && !text.utf8.contains(0x1B)
        }
    }

    @Test func aHookThatHangsIsEnded() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "sleep 3600 & sleep 3600\n", timeout: .milliseconds(200))
        let start = ContinuousClock.now
        await #expect { try await solver.present(try challenge(type: .dns01)) } throws: { "\($0)".contains("did not end within") }
        #expect(ContinuousClock.now - start < .seconds(15))
    }

    @Test func cancellationEndsTheHook() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "touch '\(folder.file("started"))'\nsleep 3600\n")
        let task = Task { try await solver.present(try challenge(type: .dns01)) }
        for _ in 0..<2000 where !FileTests.exists(folder.file("started")) { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func aHookThatLeavesADaemonBehindDoesNotHoldUs() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "sleep 30 &\nexit 0\n")
        let start = ContinuousClock.now
        try await solver.present(try challenge(type: .dns01))
        #expect(ContinuousClock.now - start < .seconds(15))
    }

    @Test func aMissingHookIsExplained() async throws {
        let solver = DNS01Hook(program: ExternalProgram(path: "/nonexistent/hook", environment: [:], timeout: .seconds(1)))
        await #expect { try await solver.present(try challenge(type: .dns01)) } throws: { "\($0)".contains("could not be started") }
        #expect(!solver.canSolve(try Identifier(argument: "192.0.2.1")))
    }
}

@Suite struct RenewalRuleTests {
    @Test(
        arguments: [
            (90 * 86_400, 60 * 86_400), (10 * 86_400, 864_000 - 288_000), (6 * 86_400, 3 * 86_400), (1, 0),
        ] as [(Int64, Int64)])
    func due(lifetime: Int64, after: Int64) {
        let rule = RenewalRule(notBefore: 1000, notAfter: 1000 + lifetime)
        #expect(rule.due == 1000 + after)
        #expect(rule.isDue(1000 + after) && !rule.isDue(999 + after))
    }

    @Test func nonsenseIsDueAndDoesNotTrap() {
        #expect(RenewalRule(notBefore: 10, notAfter: 5).isDue(10))
        #expect(RenewalRule(notBefore: .min, notAfter: .max).isDue(0))
        _ = RenewalRule(notBefore: .max - 5, notAfter: .max).due
    }
}

@Suite struct CertificateKeyNameTests {
    @Test func names() throws {
        #expect(try CertificateKeyName.first(for: .init("_wildcard_.example.org")).rawValue == "wildcard_.example.org")
        #expect(try CertificateKeyName.first(for: .init(String(repeating: "a", count: 128))).rawValue.utf8.count <= 64)
        #expect(try CertificateKeyName.next(after: KeyName("www")).rawValue == "www-2")
        #expect(try CertificateKeyName.next(after: KeyName("www-2")).rawValue == "www-3")
        #expect(try CertificateKeyName.next(after: KeyName("www-1")).rawValue == "www-1-2")
        #expect(try CertificateKeyName.next(after: KeyName(String(repeating: "a", count: 64))).rawValue.utf8.count <= 64)
    }
}

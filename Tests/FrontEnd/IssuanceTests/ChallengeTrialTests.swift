import ACME
import CertificateStore
import DNS
import TestSupport
import Testing

@testable import Issuance

/// A set-up is tried without a CA: the answer is presented, looked for where a CA would look, and removed.
@Suite struct ChallengeTrialTests {
    private static let name = "www.example.org"

    private func view(http: Int = 1, tls: Int = 1, dns: (@Sendable (ChallengeAnswer) async throws -> Void)? = nil) -> ChallengeView {
        ChallengeView(http: http, tls: tls, hosts: [Self.name: "127.0.0.1"], dns: dns)
    }

    private func freePort() throws -> Int { try PebbleFixture.freePorts(1)[0] }

    private func trial(_ solver: any ChallengeSolver, _ view: ChallengeView) async throws -> ChallengeTrial.Finding {
        try await ChallengeTrial(solver, view: view).run(Identifier(argument: Self.name))
    }

    @Test func theListenerIsSeen() async throws {
        let port = try freePort()
        let finding = try await trial(HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:\(port)")]), view(http: port))
        guard case .seen(let place) = finding.outcome else {
            Testing.Issue.record("\(finding)")
            return
        }
        #expect(place.hasPrefix("http://www.example.org:\(port)/.well-known/acme-challenge/") && finding.isGood)
        let address = try await ChallengeTrial(
            HTTP01Listener(addresses: [try ListenAddress("[::1]:\(port)")]), view: ChallengeView(http: port, tls: 1, hosts: [:])
        ).run(Identifier(argument: "::1"))
        #expect(address.isGood, "\(address)")
    }

    @Test func theTLSListenerIsSeen() async throws {
        let port = try freePort()
        let finding = try await trial(TLSALPN01Listener(addresses: [try ListenAddress("127.0.0.1:\(port)")]), view(tls: port))
        #expect(finding.outcome == .seen("www.example.org:\(port)") && finding.isGood, "\(finding)")
    }

    @Test func theWebrootIsSeenAndRemoved() async throws {
        let root = try TemporaryFolder(), other = try TemporaryFolder(), port = try freePort()
        let server = try await StaticServer(root: root.path, port: port)
        #expect(try await trial(HTTP01Webroot(root: root.path), view(http: port)).isGood)
        #expect(!FileTests.exists(root.file(".well-known")))
        let wrong = try await trial(HTTP01Webroot(root: other.path), view(http: port))
        guard case .notSeen(let reason, let hint) = wrong.outcome else {
            Testing.Issue.record("\(wrong)")
            return
        }
        #expect(reason.hasSuffix("answers with status 404") && hint?.contains("--webroot") == true)
        #expect(!FileTests.exists(other.file(".well-known")))
        await server.stop()
    }

    @Test func aPortThatNobodyHasIsSaid() async throws {
        let ports = try PebbleFixture.freePorts(2)
        let listener = HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:\(ports[0])")])
        let http = try await trial(listener, view(http: ports[1]))
        guard case .notSeen(let reason, let hint) = http.outcome else {
            Testing.Issue.record("\(http)")
            return
        }
        #expect(reason.contains("Connection refused") && hint?.contains("port \(ports[1]) must be open") == true)
        let tls = try await trial(TLSALPN01Listener(addresses: [try ListenAddress("127.0.0.1:\(ports[0])")]), view(tls: ports[1]))
        guard case .notSeen(let why, _) = tls.outcome else {
            Testing.Issue.record("\(tls)")
            return
        }
        #expect(why.contains("makes no TLS connection for acme-tls/1: Connection refused"))
    }

    /// Another listener of ours answers there: neither has the other's answer.
    @Test func anotherServerIsNotTakenForOurs() async throws {
        let ports = try PebbleFixture.freePorts(2)
        let others = TLSALPN01Listener(addresses: [try ListenAddress("127.0.0.1:\(ports[1])")])
        try await others.prepare()
        let tls = TLSALPN01Listener(addresses: [try ListenAddress("127.0.0.1:\(ports[0])")])
        let unknown = try await trial(tls, view(tls: ports[1]))
        guard case .notSeen(let reason, _) = unknown.outcome else {
            Testing.Issue.record("\(unknown)")
            return
        }
        #expect(reason.contains("UNRECOGNIZED_NAME"))
        try await others.present(try others.answer(Self.name))
        let other = try await trial(tls, view(tls: ports[1]))
        #expect(other.outcome != .seen("www.example.org:\(ports[1])"))
        guard case .notSeen("www.example.org:\(ports[1]) shows another certificate", _) = other.outcome else {
            Testing.Issue.record("\(other)")
            return
        }
        await others.finish()
    }

    @Test func aHooksRecordIsLookedForAndRemoved() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("hook", "#!/bin/sh\necho \"$1 $2 $3\" >>'\(folder.file("log"))'\n", mode: 0o700)
        let hook = DNS01Hook(program: ExternalProgram(path: path, environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(20)))
        let seen = try await trial(
            hook,
            view { answer in
                let line = "present _acme-challenge.www.example.org \(answer.keyAuthorization.dns01Value)\n"
                if try folder.read("log") != line { throw IssuanceError.solver(nil, reason: "no record", hint: nil) }
            })
        #expect(seen.isGood, "\(seen)")
        #expect(try folder.read("log").contains("\ncleanup _acme-challenge.www.example.org "))
        // What the DNS servers say otherwise is not the hook's fault.
        let zoneless = try await trial(hook, view { _ in throw IssuanceError.dns(DNSError.noZone(try DomainName("example.org")), nil) })
        guard case .notSeen(let reason, let other) = zoneless.outcome else {
            Testing.Issue.record("\(zoneless)")
            return
        }
        #expect(reason.contains("no zone was found") && other?.contains("hook") != true, "\(zoneless)")
        let missing = try await trial(hook, view { _ in throw IssuanceError.busy("no record", hint: DNS01Update.lateHint) })
        guard case .notSeen("no record", let hint) = missing.outcome else {
            Testing.Issue.record("\(missing)")
            return
        }
        #expect(hint?.contains("--dns-wait") == true)
    }

    @Test func whatCannotBeSetUpIsSaid() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("hook", "#!/bin/sh\necho no zone\nexit 1\n", mode: 0o700)
        let program = ExternalProgram(path: path, environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(20))
        let finding = try await trial(DNS01Hook(program: program), view())
        guard case .failed(let reason, _) = finding.outcome else {
            Testing.Issue.record("\(finding)")
            return
        }
        #expect(reason.contains("no zone") && finding.leftover?.contains("exit code 1") == true)
        let root = try await trial(HTTP01Webroot(root: folder.file("none")), view())
        guard case .failed = root.outcome else {
            Testing.Issue.record("\(root)")
            return
        }
    }

    @Test func redirectsAreReadStrictly() throws {
        let place = WebPlace(isTLS: false, host: "a.example", port: 80, path: "/x")
        for (location, result) in [
            ("/y?z", "http://a.example/y?z"), ("https://b.example/y#z", "https://b.example/y"),
            ("HTTP://b.example:8080", "http://b.example:8080/"),
            ("https://[2001:DB8::1]:444/", "https://[2001:db8::1]:444/"), ("http://b.example?q", "http://b.example/?q"),
        ] { #expect(WebPlace(location, from: place)?.description == result) }
        for location in [
            "", "//b.example/", "ftp://b.example/", "http://", "http://u@b.example/", "http://b.example:99999/", "http://b.example:/", "y",
            "http://b.example:80:80/", "http://[::1/", "http://b.example/\r\nX: y", "file:///etc/passwd",
        ] { #expect(WebPlace(location, from: place) == nil, "\(location)") }
    }
}

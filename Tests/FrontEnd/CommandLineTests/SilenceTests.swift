import ACME
import CertificateStore
import SilentServer
import Testing

@testable import acme_agent

/// An agent or a CA that accepts connections and never answers: the command says what it waits for, and ends.
@Suite struct SilenceTests {
    /// Side by side: each waits as long as a user would.
    @Test func aSilentAgentIsWaitedForSecondsOnly() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let agent = try SilentServer(path: session.folder.file("agent.sock"))
        defer { agent.close() }
        let lines = ["status", "status --check", "keys list", "keys show web", "keys retire web --yes", "audit tail"]
        try await withThrowingTaskGroup { group in
            for line in lines {
                group.addTask { (line, try await session.run("timeout 40 acme-agent \(line)")) }
            }
            for try await (line, outcome) in group {
                #expect(outcome.status == 3, "\(line): \(outcome)")
                #expect(outcome.error.contains("waiting for the agent to answer on "), "\(line): \(outcome)")
                #expect(outcome.error.contains("the agent accepts connections but does not answer"), "\(line): \(outcome)")
                #expect(outcome.error.contains("hint: acme-agentd is overloaded or hangs"), "\(line): \(outcome)")
            }
        }
    }

    /// `renew --all` and `apply` with nothing to do do not wait for an agent that hangs.
    @Test func aTimerDoesNotWaitForASilentAgent() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let agent = try SilentServer(path: session.folder.file("agent.sock"))
        defer { agent.close() }
        _ = try await session.run("printf '[[certificate]]\\nnames = [\"www.example.org\"]\\n' >>acme-agent.toml")
        for line in ["renew --all --quiet", "apply --quiet"] {
            let began = ContinuousClock.now
            let outcome = try await session.run("timeout 40 acme-agent \(line)")
            #expect(outcome.status == 3 && ContinuousClock.now - began < .seconds(10), "\(line): \(outcome)")
            #expect(outcome.error.contains("warning: no certificate can be renewed for now: the agent accepts connections"), "\(outcome)")
        }
    }

    /// It is asked once, and what needs it is unknown then.
    @Test func doctorDoesNotWaitForASilentAgentAgainAndAgain() async throws {
        let session = try CommandLineSession(), directory = try ACMEURL("https://127.0.0.1:1/directory")
        try await session.store.save(
            StoredAccount(directory: directory, key: "account", url: try ACMEURL("https://127.0.0.1:1/account/1")))
        let agent = try SilentServer(path: session.folder.file("agent.sock"))
        defer { agent.close() }
        let began = ContinuousClock.now
        let outcome = try await session.run("timeout 40 acme-agent doctor --directory \(directory)")
        #expect(outcome.status == 6 && ContinuousClock.now - began < .seconds(10), "\(outcome)")
        #expect(outcome.output.contains("failed: the agent accepts connections but does not answer"), "\(outcome)")
        let unasked = "unknown: 127.0.0.1: https://127.0.0.1:1/account/1: the CA cannot be asked: the agent, which signs"
        #expect(outcome.output.contains(unasked), "\(outcome)")
    }

    /// `run` says that it answers again only if it has answered, and no order that was met is told with its silence.
    @Test func itAnswersAgainOnceItHasAnswered() throws {
        let silence = RenewalReport.Warning(
            name: nil, code: "agent-unreachable", status: .agentUnavailable, message: "silent", hint: nil)
        let lack = RenewalReport.Warning(
            name: try CertificateName("www.example.org"), code: "not-granted", status: .attention, message: "no grant", hint: nil)
        // It was not asked, since all that there is was due, and could not be reached for the order.
        var report = RenewalReport()
        report.failed = [
            (try CertificateName("www.example.org"), Failure("agent-unreachable", .agentUnavailable, "silent", hint: "start it"))
        ]
        #expect(report.standing(after: [silence]) == ([silence], false))
        report.hasAgentAnswered = true
        #expect(report.standing(after: [silence]) == ([silence], false))
        // It was not asked at all.
        report = RenewalReport()
        #expect(report.standing(after: [silence, lack]) == ([silence], false))
        report.warnings = [silence]
        #expect(report.standing(after: []) == ([silence], false) && report.standing(after: [silence]) == ([silence], false))
        #expect(report.openWarnings == [silence])
        // It has answered; what is wrong besides is no silence.
        report.warnings = [silence, lack]
        report.hasAgentAnswered = true
        #expect(report.openWarnings == [lack])
        #expect(report.standing(after: [silence]) == ([lack], true) && report.standing(after: [lack]) == ([lack], false))
    }

    /// Says once what it watches, and that nobody would sign; SIGTERM ends it.
    @Test func runSaysWhatItWatches() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run("timeout -s TERM -k 20 8 acme-agent run")
        #expect(
            outcome.error.contains("watching 1 certificate in \(session.folder.file("state")): www.example.org is due first, in "),
            "\(outcome)")
        #expect(outcome.error.components(separatedBy: "warning: no certificate can be renewed for now").count == 2, "\(outcome)")
        let quiet = try await session.run("rm -r state/certificates; timeout -s TERM -k 20 4 acme-agent run --quiet")
        #expect(quiet.error.isEmpty || !quiet.error.contains("watching"), "\(quiet)")
        let none = try await session.run("timeout -s TERM -k 20 4 acme-agent run")
        #expect(none.error.contains("state: there are no certificates yet"), "\(none)")
    }

    /// The agent, which is asked only for the key's default name, is not contacted before the CA's directory is read.
    @Test(arguments: ["INT", "TERM"]) func aSilentCAIsNamedAndLeftAtOnce(signal: String) async throws {
        let session = try CommandLineSession()
        let agent = try SilentServer(path: session.folder.file("agent.sock")), ca = try SilentServer()
        defer {
            agent.close()
            ca.close()
        }
        let directory = "https://127.0.0.1:\(ca.port)/directory"
        let outcome = try await session.run(
            """
            exec 2>&1
            acme-agent account register --agree-tos --key account --directory \(directory) & child=$!
            sleep 5; kill -\(signal) $child; before=$(date +%s%N)
            wait $child; status=$?; echo "after $((($(date +%s%N) - before) / 1000000000)) s"; exit $status
            """)
        #expect(outcome.status == (signal == "INT" ? 130 : 143), "\(outcome)")
        #expect(outcome.output.contains("waiting for the CA at https://127.0.0.1:\(ca.port), "), "\(outcome)")
        #expect(outcome.output.contains("after 0 s") || outcome.output.contains("after 1 s"), "\(outcome)")
    }
}

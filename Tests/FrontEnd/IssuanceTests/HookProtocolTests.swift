import ACME
import CertificateStore
import Foundation
import TestSupport
import Testing

@testable import Issuance

/// Programs that were written for other clients get what those give them.
@Suite struct HookProtocolTests {
    private static let environment: ProgramEnvironment = ["PATH": "/usr/bin:/bin", "CERTBOT_TOKEN": "of-another"]

    private func program(_ folder: TemporaryFolder, _ name: String, _ script: String) throws -> ExternalProgram {
        let path = try folder.write(name, "#!/bin/bash\n" + script, mode: 0o700)
        return ExternalProgram(path: path, environment: Self.environment, timeout: .seconds(20))
    }

    /// Writes arguments, the variables of all protocols, and standard input.
    private func recorder(_ folder: TemporaryFolder, _ name: String = "hook", then more: String = "") throws -> ExternalProgram {
        try program(
            folder, name,
            "{ echo \"$# $*\"; env | grep -E '^(CERTBOT|ACME_AGENT|EXEC)_' | sort; cat; } >>'\(folder.file(name + ".log"))'\n" + more)
    }

    @Test func legosProviderExec() async throws {
        let folder = try TemporaryFolder()
        let solver = DNS01Hook(program: try recorder(folder), protocol: .lego)
        let answer = try solver.answer("*.example.org"), value = answer.keyAuthorization.dns01Value
        await solver.announce([answer])
        try await solver.present(answer)
        try await solver.waitUntilVisible(answer)
        try await solver.cleanUp(answer)
        #expect(
            try folder.read("hook.log") == """
                3 present _acme-challenge.example.org. \(value)
                CERTBOT_TOKEN=of-another
                3 cleanup _acme-challenge.example.org. \(value)
                CERTBOT_TOKEN=of-another

                """)
    }

    @Test func legosProviderExecInRawMode() async throws {
        let folder = try TemporaryFolder()
        let solver = DNS01Hook(program: try recorder(folder), protocol: .legoRaw)
        for name in ["*.example.org", "www.example.org"] {
            try await solver.present(solver.answer(name))
            try await solver.cleanUp(solver.answer(name))
        }
        let lines = try folder.read("hook.log").split(separator: "\n").filter { !$0.hasPrefix("CERTBOT_TOKEN") }
        #expect(
            lines == [
                "5 present -- example.org dG9rZW4 dG9rZW4.thumb", "5 cleanup -- example.org dG9rZW4 dG9rZW4.thumb",
                "5 present -- www.example.org dG9rZW4 dG9rZW4.thumb", "5 cleanup -- www.example.org dG9rZW4 dG9rZW4.thumb",
            ])
    }

    /// Also in two orders: each has a solver of its own.
    @Test func otherToolsProgramsRunAlone() async throws {
        let folder = try TemporaryFolder()
        let hook = try program(folder, "slow", "echo begin >>'\(folder.file("log"))'; sleep 0.2; echo end >>'\(folder.file("log"))'")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in ["www.example.org", "mail.example.org"] {
                group.addTask {
                    let solver = DNS01Hook(program: hook, protocol: .lego)
                    try await solver.present(solver.answer(name))
                }
            }
            try await group.waitForAll()
        }
        #expect(try folder.read("log") == "begin\nend\nbegin\nend\n")
    }

    /// They are told the domain, not the record's name.
    @Test(arguments: [HookProtocol.certbot, .legoRaw]) func theyCannotAnswerDNSAccount01(hookProtocol: HookProtocol) throws {
        let folder = try TemporaryFolder(), label = AccountLabel(try ACMEURL("https://ca.example/acct/1"))
        let solver = DNS01Hook(program: try recorder(folder), challenge: .dnsAccount01(label), protocol: hookProtocol)
        #expect(throws: IssuanceError.self) { try solver.check() }
    }

    @Test func certbotsManualHooks() async throws {
        let folder = try TemporaryFolder()
        let solver = DNS01Hook(
            program: try recorder(folder, then: "printf '\\n record=%s \\n' \"$CERTBOT_DOMAIN\"; echo noise >&2"), protocol: .certbot,
            cleanup: try recorder(folder, "undo"))
        let answers = [
            try solver.answer("*.example.org", token: "one"), try solver.answer("example.org", token: "two"),
            try solver.answer("a.example", token: "three"),
        ]
        await solver.announce(answers)
        for answer in answers { try await solver.present(answer) }
        for answer in answers { try await solver.waitUntilVisible(answer) }
        for answer in answers { try await solver.cleanUp(answer) }
        func expected(_ index: Int, _ domain: String, output: String?) -> String {
            (output.map { "0 \nCERTBOT_ALL_DOMAINS=example.org,example.org,a.example\nCERTBOT_AUTH_OUTPUT=\($0)\n" }
                ?? "0 \nCERTBOT_ALL_DOMAINS=example.org,example.org,a.example\n")
                + "CERTBOT_DOMAIN=\(domain)\nCERTBOT_REMAINING_CHALLENGES=\(2 - index)\n"
                + "CERTBOT_VALIDATION=\(answers[index].keyAuthorization.dns01Value)\n"
        }
        #expect(
            try folder.read("hook.log") == expected(0, "example.org", output: nil) + expected(1, "example.org", output: nil)
                + expected(2, "a.example", output: nil))
        #expect(
            try folder.read("undo.log") == expected(0, "example.org", output: "record=example.org")
                + expected(1, "example.org", output: "record=example.org") + expected(2, "a.example", output: "record=a.example"))
    }

    /// After a crash another process cleans up.
    @Test func certbotsCleanupHookAfterACrash() async throws {
        let folder = try TemporaryFolder()
        let solver = DNS01Hook(program: try recorder(folder), protocol: .certbot, cleanup: try recorder(folder, "undo"))
        let answer = try solver.answer("*.example.org")
        try await solver.cleanUp(answer)
        #expect(
            try folder.read("undo.log") == """
                0 \("")
                CERTBOT_ALL_DOMAINS=example.org
                CERTBOT_AUTH_OUTPUT=
                CERTBOT_DOMAIN=example.org
                CERTBOT_REMAINING_CHALLENGES=0
                CERTBOT_VALIDATION=\(answer.keyAuthorization.dns01Value)

                """)
        // Without a second program the record stays.
        try await DNS01Hook(program: try recorder(folder), protocol: .certbot).cleanUp(answer)
        #expect(!FileTests.exists(folder.file("hook.log")))
    }

    /// Each program may take its time; the CA is told after the last one, or not at all.
    @Test func theRoundLastsAsLongAsItsPrograms() async throws {
        let round = HookRound(), clock = ContinuousClock()
        round.begin(["a.example", "b.example", "c.example"])
        let begin = clock.now
        async let haveEnded = round.waitForAll(limit: .milliseconds(500))
        for token in ["a", "b", "c"] {
            try await Task.sleep(for: .milliseconds(300))
            round.end(token, [:], output: "")
        }
        #expect(await haveEnded && clock.now - begin > .milliseconds(850))
        round.begin(["a.example", "b.example"])
        async let isOver = round.waitForAll(limit: .milliseconds(100))
        round.end("a", [:], output: "")
        #expect(await !isOver)
    }

    /// Many wait for slow servers only when CERTBOT_REMAINING_CHALLENGES is 0: no name is ready before that.
    @Test func noNameIsReadyBeforeTheLastProgramHasEnded() async throws {
        let folder = try TemporaryFolder()
        let solver = DNS01Hook(
            program: try program(
                folder, "hook", "[ $CERTBOT_REMAINING_CHALLENGES -gt 0 ] || { sleep 0.3; touch '\(folder.file("done"))'; }\n"),
            protocol: .certbot)
        let answers = try (0..<4).map { try solver.answer("n\($0).example.org", token: "token\($0)") }
        await solver.announce(answers)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for answer in answers {
                group.addTask {
                    try await solver.present(answer)
                    try await solver.waitUntilVisible(answer)
                    #expect(FileTests.exists(folder.file("done")))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test(arguments: [HookProtocol.lego, .legoRaw, .certbot]) func oneProgramRunsAtATime(hookProtocol: HookProtocol) async throws {
        let folder = try TemporaryFolder()
        let lock = folder.file("lock")
        let solver = DNS01Hook(
            program: try program(folder, "hook", "mkdir '\(lock)' || exit 1\nsleep 0.05\nrmdir '\(lock)'\n"), protocol: hookProtocol)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<4 {
                group.addTask { try await solver.present(try solver.answer("n\(index).example.org", token: "t\(index)")) }
            }
            try await group.waitForAll()
        }
    }

    /// One that fails releases those that wait for all, and its output is shown.
    @Test func aProgramThatFailsEndsTheWait() async throws {
        let folder = try TemporaryFolder()
        let solver = DNS01Hook(
            program: try program(folder, "hook", "[ $CERTBOT_DOMAIN = n0.example.org ] || { echo no zone; echo here >&2; exit 1; }\n"),
            protocol: .certbot)
        let answers = try (0..<2).map { try solver.answer("n\($0).example.org", token: "token\($0)") }
        await solver.announce(answers)
        let start = ContinuousClock.now
        await #expect {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for answer in answers {
                    group.addTask {
                        try await solver.present(answer)
                        try await solver.waitUntilVisible(answer)
                    }
                }
                for try await _ in group {}
            }
        } throws: { error in
            "\(error)".contains("| no zone") && "\(error)".contains("| here") && "\(error)".contains("n1.example.org")
        }
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test func anUnusableSecondProgramIsRefused() throws {
        let folder = try TemporaryFolder()
        let nowhere = ExternalProgram(path: "/nonexistent/undo", environment: [:], timeout: .seconds(1))
        #expect { try DNS01Hook(program: try recorder(folder), protocol: .certbot, cleanup: nowhere).check() } throws: {
            "\($0)".contains("the DNS cleanup hook cannot be used")
        }
    }

    /// The shipped adapter with a script for the test, and in place of acme.sh what it takes from there.
    @Test func aScriptOfAcmeSh() async throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "acme.sh",
            """
            [ "$*" = --version ] || exit 9
            echo acme.sh; echo v3
            _initpath() { . "$LE_WORKING_DIR/account.conf"; }
            _info() { printf '%s\\n' "$*"; }
            """)
        try folder.write("account.conf", "SAVED_Test_Token='secret word'\n")
        try folder.write(
            "dns_test.sh",
            """
            dns_test_add() { _info adding; echo "add $# $1 $2 $SAVED_Test_Token" >>'\(folder.file("log"))'; [ "$1" != _acme-challenge.bad.example ]; }
            dns_test_rm() { echo "rm $# $1 $2" >>'\(folder.file("log"))'; }
            """)
        let adapter = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined() + "/Config/dns-hooks/acme-sh"
        let environment: ProgramEnvironment = [
            "PATH": "/usr/bin:/bin", "DNS_SCRIPT": folder.file("dns_test.sh"), "ACME_SH": folder.file("acme.sh"),
        ]
        let solver = DNS01Hook(program: ExternalProgram(path: adapter, environment: environment, timeout: .seconds(20)))
        try solver.check()
        let answer = try solver.answer("*.example.org"), value = answer.keyAuthorization.dns01Value
        try await solver.present(answer)
        try await solver.cleanUp(answer)
        #expect(
            try folder.read("log")
                == "add 2 _acme-challenge.example.org \(value) secret word\nrm 2 _acme-challenge.example.org \(value)\n")
        // Nobody else can hold the lock.
        let lock = try FileManager.default.attributesOfItem(atPath: folder.file(".acme-agent-dns-hook.lock"))
        #expect(lock[.posixPermissions] as? Int == 0o600)
        let held = Process()
        held.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        held.arguments = ["-x", "-F", folder.file("acme.sh"), "sleep", "60"]
        try held.run()
        defer { held.terminate() }
        try await solver.present(answer)
        await #expect { try await solver.present(try solver.answer("bad.example")) } throws: {
            "\($0)".contains("dns_test_add failed for _acme-challenge.bad.example") && "\($0)".contains("adding")
        }
    }
}

import ACME
import TestSupport
import Testing

@testable import Issuance

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
        let shown = try solver.answer("*.example.org")
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
        try await solver.cleanUp(shown)
        #expect(try folder.read("out").hasPrefix("3\ncleanup\n_acme-challenge.example.org\n\(value)\n"))
    }

    @Test func anEnvironmentThatIsNotUTF8ReachesTheProgramAsItIs() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "hook", "#!/bin/sh\nprintf %s \"$SECRET-$ACME_AGENT_ACTION\" | od -An -tx1 > '\(folder.file("out"))'\n", mode: 0o700)
        let environment = ProgramEnvironment(
            Array("PATH=/usr/bin:/bin".utf8) + [0] + Array("SECRET=a".utf8) + [0xFF, 0] + Array("ACME_AGENT_ACTION=x".utf8) + [0])
        let solver = DNS01Hook(program: ExternalProgram(path: path, environment: environment, timeout: .seconds(20)))
        try await solver.present(solver.answer())
        #expect(try folder.read("out").hasPrefix(" 61 ff 2d 70 72 65 73 65 6e 74"))
    }

    @Test func exitCodeAndLastLinesReachTheUser() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "seq 1 100\nprintf 'zone \\033[31mlocked\\n' > /dev/stderr\nexit 3\n")
        await #expect { try await solver.present(try solver.answer()) } throws: { error in
            let text = "\(error)"
            return text.contains("exit code 3") && text.contains("| 100") && !text.contains("| 90\n") && text.contains("locked")
                && !text.utf8.contains(0x1B)
        }
    }

    @Test func aHookThatHangsIsEnded() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "sleep 3600 & sleep 3600\n", timeout: .milliseconds(200))
        let start = ContinuousClock.now
        await #expect { try await solver.present(try solver.answer()) } throws: { "\($0)".contains("did not end within") }
        #expect(ContinuousClock.now - start < .seconds(15))
    }

    @Test func cancellationEndsTheHook() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "touch '\(folder.file("started"))'\nsleep 3600\n")
        let task = Task { try await solver.present(try solver.answer()) }
        for _ in 0..<2000 where !FileTests.exists(folder.file("started")) { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func aHookThatLeavesADaemonBehindDoesNotHoldUs() async throws {
        let folder = try TemporaryFolder()
        let solver = try hook(folder, "sleep 30 &\nexit 0\n")
        let start = ContinuousClock.now
        try await solver.present(try solver.answer())
        #expect(ContinuousClock.now - start < .seconds(15))
    }

    @Test func aMissingHookIsExplained() async throws {
        let solver = DNS01Hook(program: ExternalProgram(path: "/nonexistent/hook", environment: [:], timeout: .seconds(1)))
        await #expect { try await solver.present(try solver.answer()) } throws: { "\($0)".contains("could not be started") }
        #expect(!solver.canSolve(try Identifier(argument: "192.0.2.1")))
    }
}

import Foundation
import Testing

/// Something around the programs, such as a filter for system calls, refuses what keeps their secrets in their memory.
@Suite struct HardeningTests {
    /// - Parameter call: As refused-calls.c names it; `nil` to refuse none.
    private func run(_ program: String, _ arguments: [String], refusing call: String?, in folder: String) async throws -> Outcome {
        let library = folder + "/refused-calls.so"
        if !FileManager.default.fileExists(atPath: library) {
            let made = try await Program.run(
                "/usr/bin/env", ["cc", "-O1", "-shared", "-fPIC", "-o", library, Program.root + "/Tests/Sandbox/refused-calls.c", "-ldl"],
                environment: Program.environment)
            try #require(made.status == 0, "\(made)")
        }
        // A program that starts nevertheless would run on.
        return try await Program.run(
            "/usr/bin/timeout",
            ["60", "/usr/bin/env", "LD_PRELOAD=\(library)"] + (call.map { ["REFUSED_CALL=\($0)"] } ?? [])
                + ["\(Program.folder)/\(program)"] + arguments,
            environment: Program.environment)
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/hardening-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    private func configuration(in folder: String) throws -> String {
        let file = folder + "/acme-agentd.toml"
        try """
        socket = "\(folder)/run/agent.sock"
        state-directory = "\(folder)/state"
        [[token]]
        name = "none"
        module = "/usr/lib/softhsm/libsofthsm2.so"
        uri = "pkcs11:token=none"
        """.write(toFile: file, atomically: false, encoding: .utf8)
        return file
    }

    @Test(arguments: ["dumpable", "core"]) func theDaemonDoesNotStartWithAnOpenMemory(_ call: String) async throws {
        try await withFolder { folder in
            let outcome = try await run("acme-agentd", ["--config", configuration(in: folder)], refusing: call, in: folder)
            #expect(outcome.status == 1, "\(outcome)")
            let message = "error: the daemon's memory cannot be closed to other processes of its user: Operation not permitted\n"
            #expect(outcome.error.contains(message) && outcome.error.contains("hint: "), "\(outcome)")
            // One that fails does not save the other.
            #expect(outcome.error.contains("called: dumpable\n") && outcome.error.contains("called: core\n"), "\(outcome)")
            #expect(!FileManager.default.fileExists(atPath: folder + "/state"))
        }
    }

    /// The configuration has secrets, so the memory is closed before it is read.
    @Test func theDaemonClosesItsMemoryBeforeItReadsItsConfiguration() async throws {
        try await withFolder { folder in
            let missing = try await run("acme-agentd", ["--config", folder + "/none.toml"], refusing: nil, in: folder)
            #expect(missing.status == 78, "\(missing)")
            let calls = try #require(missing.error.range(of: "called: core\n")), error = try #require(missing.error.range(of: "error: "))
            #expect(calls.upperBound <= error.lowerBound, "\(missing)")
            let file = try configuration(in: folder)
            let checked = try await run("acme-agentd", ["--config", file, "--check-config"], refusing: nil, in: folder)
            #expect(checked.status == 0, "\(checked)")
        }
    }

    @Test(arguments: ["dumpable", "core", "parent-death"]) func theHelperDoesNotStartUnprotected(_ call: String) async throws {
        try await withFolder { folder in
            let outcome = try await run("acme-agent-token", ["--links", "1"], refusing: call, in: folder)
            #expect(outcome.status == 71, "\(outcome)")
            #expect(outcome.error.contains("the process cannot be protected: Operation not permitted"), "\(outcome)")
            #expect(outcome.error.contains("called: dumpable\n") && outcome.error.contains("called: core\n"), "\(outcome)")
            // Otherwise it comes as far as its links, which nobody has passed to it.
            let without = try await run("acme-agent-token", ["--links", "1"], refusing: nil, in: folder)
            #expect(without.status == 64 && without.error.contains("called: parent-death\n"), "\(without)")
        }
    }
}

import Foundation
import Testing

/// The N-th call with which `acme-agent` changes the file system fails, or the process is killed at it. Whatever N is,
/// the next run completes everything: no certificate is lost, no key is left without a name, and nothing is ordered
/// more than twice.
///
/// Each run tests a sample of the calls; `make test-long` tests all.
@Suite(.serialized) struct WriteFaultTests {
    enum Command: String, CaseIterable {
        case issue
        case renew
        case renewWithNewKey
        case apply
        case deploy
        case rollover
        case revoke
        case forget

        func arguments(_ name: String) -> [String] {
            switch self {
            case .issue: ["issue", "-d", name]
            case .renew: ["renew", name, "--force"]
            case .renewWithNewKey: ["renew", name, "--force", "--new-key", "--old-key-grace", "1"]
            case .apply: ["apply"]
            case .deploy: ["renew", name, "--force"]
            case .rollover: ["account", "rollover"]
            case .revoke: ["revoke", name, "--reason", "keyCompromise", "--yes"]
            case .forget: ["forget", name, "--yes"]
            }
        }

        /// The command that a user or a timer runs after a failure.
        func again(_ name: String) -> [String] {
            switch self {
            case .renew, .deploy: ["renew", "--all"]
            case .renewWithNewKey: ["renew", "--all", "--old-key-grace", "1"]
            default: arguments(name)
            }
        }
    }

    /// How the call fails, in the terms of write-faults.c.
    enum Fault: String, CaseIterable {
        case kill = "kill"
        case killedAfter = "killed-after"
        case storageFull = "28"
        case inputOutput = "5"

        var kills: Bool { self == .kill || self == .killedAfter }
    }

    private static let runsAll = ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil
    /// Those that are tried: of the commands that do little else than others, the first and the last.
    private static func faults(_ command: Command) -> [Fault] {
        guard !runsAll, [.deploy, .rollover].contains(command) else { return Fault.allCases }
        return [.kill, .inputOutput]
    }

    /// Number of calls at which a command fails with each fault in a normal run: more for those that write most.
    private static func sample(_ command: Command) -> Int {
        switch command {
        case .issue, .renewWithNewKey, .apply: 2
        case .renew, .deploy, .rollover, .revoke, .forget: 1
        }
    }

    private func prepared() async throws -> Sandbox {
        let sandbox = try await Sandbox()
        let made = try await Program.run(
            "/usr/bin/env",
            ["cc", "-O1", "-shared", "-fPIC", "-o", library(sandbox), Program.root + "/Tests/Sandbox/write-faults.c", "-ldl"],
            environment: sandbox.environment)
        try #require(made.status == 0, "\(made)")
        let registered = try await sandbox.agent("account", "register", "--agree-tos")
        try #require(registered.status == 0, "\(registered)")
        return sandbox
    }

    private func library(_ sandbox: Sandbox) -> String { sandbox.folder + "/write-faults.so" }

    /// The number of calls in a run without a failure.
    private func calls(of command: Command, _ sandbox: Sandbox) async throws -> Int {
        let name = "count.example.org"
        try await begin(command, name, sandbox)
        let count = sandbox.folder + "/calls"
        let run = try await sandbox.agent(
            command.arguments(name), environment: ["LD_PRELOAD": library(sandbox), "WRITE_FAULT_COUNT": count])
        try #require(run.status == 0, "\(run)")
        let calls = try String(contentsOfFile: count, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        try await clear(name, keys(name, sandbox), sandbox)
        return try #require(Int(calls))
    }

    /// Prepares the state before the command.
    private func begin(_ command: Command, _ name: String, _ sandbox: Sandbox) async throws {
        guard command != .issue, command != .rollover else { return }
        // Each hook writes the generation that it was given.
        for number in command == .deploy ? [1, 2] : [] {
            let hook = "#!/bin/sh\necho \"$ACME_AGENT_GENERATION\" >> '\(sandbox.folder)/hook\(number)-'\"$1\"\n"
            try hook.write(toFile: sandbox.folder + "/hook\(number)", atomically: true, encoding: .utf8)
            chmod(sandbox.folder + "/hook\(number)", 0o755)
        }
        let hooks = command == .deploy ? [1, 2].flatMap { ["--deploy-hook", sandbox.folder + "/hook\($0)"] } : []
        let issued = try await sandbox.agent(["issue", "-d", name] + hooks)
        try #require(issued.status == 0, "\(issued)")
        guard command == .apply else { return }
        // Another name and another key.
        let configuration = sandbox.folder + "/acme-agent.toml"
        let general = try String(contentsOfFile: configuration, encoding: .utf8).components(separatedBy: "[[certificate]]")[0]
        let declared = "[[certificate]]\nnames = [\"\(name)\", \"more.\(name)\"]\nkey-type = \"P-384\"\nold-key-grace-seconds = 0\n"
        try (general + declared).write(toFile: configuration, atomically: true, encoding: .utf8)
    }

    /// Removes what is left after it.
    private func clear(_ name: String, _ keys: [Key], _ sandbox: Sandbox) async throws {
        // `forget` itself leaves no certificate.
        _ = try await sandbox.agent("forget", name, "--yes")
        for key in keys {
            let deleted = try await sandbox.agent("keys", "delete", key.name, "--yes")
            #expect(deleted.status == 0, "\(deleted)")
        }
    }

    private struct Key {
        var name: String
        var state: String
        var fingerprint: String
    }

    /// The keys made for a certificate.
    private func keys(_ name: String, _ sandbox: Sandbox) async throws -> [Key] {
        let listed = try await sandbox.agent("keys", "list", "--json")
        let keys = try #require(listed.json["keys"] as? [[String: Any]], "\(listed)")
        return keys.compactMap { key in
            guard let own = key["name"] as? String, own == name || own.hasPrefix(name + "-") else { return nil }
            return Key(name: own, state: key["state"] as? String ?? "", fingerprint: key["fingerprint"] as? String ?? "")
        }
    }

    /// The certificate as shown by `list`; `nil` if there is none. Nothing may be damaged or interrupted.
    private func certificate(_ name: String, _ sandbox: Sandbox) async throws -> [String: Any]? {
        let listed = try await sandbox.agent("list", "--json")
        let certificates = try #require(listed.json["certificates"] as? [[String: Any]], "\(listed)")
        #expect((listed.json["damaged"] as? [Any])?.isEmpty == true && (listed.json["interrupted"] as? [Any])?.isEmpty == true, "\(listed)")
        return certificates.first { $0["name"] as? String == name }
    }

    private func orders(_ sandbox: Sandbox) throws -> Int {
        try sandbox.caLog().split(separator: "\n").count { $0.hasSuffix("POST /order-plz -> calling handler()") }
    }

    /// Expects that the certificate is complete and its key is in the token.
    private func expectWhole(_ name: String, _ keys: [Key], _ sandbox: Sandbox) async throws {
        let certificate = try #require(try await certificate(name, sandbox))
        let used = (certificate["keyDetails"] as? [String: Any])?["fingerprint"] as? String
        let key = keys.first { $0.fingerprint == used }
        #expect(key?.state == "active", "\(certificate)")
        let folder = "'\(sandbox.folder)/state/certificates/\(name)'"
        let files = try await sandbox.shell(
            """
            cd \(folder)
            cat cert.pem chain.pem | cmp - fullchain.pem
            openssl x509 -in cert.pem -outform der | cmp - cert.der
            grep -q -x -e '-----END ACME AGENT KEY-----' key.pem
            openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1
            """)
        #expect(files.status == 0 && files.output.trimmingCharacters(in: .whitespacesAndNewlines) == used, "\(files)")
    }

    /// `forget` leaves nothing of a certificate. (A journal that a killed run started stays until the next write or
    /// `forget`.)
    private func expectNothingLeft(_ name: String, _ sandbox: Sandbox) throws {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: sandbox.folder + "/state")
        let left = paths.filter { path in
            let file = (path as NSString).lastPathComponent
            return file.hasPrefix(".") || file.hasSuffix(".new") || (file.contains(name) && !path.contains("locks/"))
        }
        #expect(left.isEmpty, "\(left)")
    }

    /// - Returns: the keys that the command leaves.
    private func expectDone(_ command: Command, _ name: String, _ sandbox: Sandbox) async throws -> [Key] {
        let keys = try await keys(name, sandbox)
        switch command {
        case .issue, .renew:
            try await expectWhole(name, keys, sandbox)
            #expect(keys.count == 1, "\(keys)")
        case .renewWithNewKey:
            try await expectWhole(name, keys, sandbox)
            try await Task.sleep(for: .seconds(1.5))
            let settled = try await sandbox.agent("renew", "--all")
            let left = try await self.keys(name, sandbox)
            #expect(settled.status == 0 && left.filter { $0.state == "active" }.count == 1 && left.count <= 2, "\(left) \(settled)")
            return left
        case .apply:
            try await expectWhole(name, keys, sandbox)
            let certificate = try await certificate(name, sandbox)
            #expect((certificate?["identifiers"] as? [Any])?.count == 2, "\(String(describing: certificate))")
            #expect((certificate?["keyDetails"] as? [String: Any])?["algorithm"] as? String == "P-384")
            #expect(keys.filter { $0.state == "active" }.count == 1 && keys.count == 2, "\(keys)")
            let again = try await sandbox.agent("apply", "--json")
            #expect(again.status == 0 && (again.json["issued"] as? [Any])?.isEmpty == true, "\(again)")
        case .deploy:
            try await expectWhole(name, keys, sandbox)
            let generation = try #require(try await certificate(name, sandbox)?["generation"] as? Int)
            for number in [1, 2] {
                let runs = try String(contentsOfFile: "\(sandbox.folder)/hook\(number)-\(name)", encoding: .utf8)
                // Both have run for the newest generation, in no other order, and no more than once more than needed.
                let own = runs.split(separator: "\n").map(String.init)
                #expect(own.last == String(generation) && own.count <= generation + 1, "hook \(number): \(runs)")
            }
        case .rollover:
            let listed = try await sandbox.agent("keys", "list", "--json")
            let all = try #require(listed.json["keys"] as? [[String: Any]], "\(listed)").filter { $0["usage"] as? String == "account" }
            let active = all.filter { $0["state"] as? String == "active" }.compactMap { $0["name"] as? String }
            let shown = try await sandbox.agent("account", "show", "--json")
            let account = shown.json["account"] as? [String: Any]
            #expect(shown.status == 0 && account?["status"] as? String == "valid", "\(shown)")
            #expect(active == [account?["key"] as? String].compactMap(\.self), "\(all)")
        case .revoke:
            #expect(try await certificate(name, sandbox)?["state"] as? String == "revoked")
            #expect(keys.count == 1 && keys.first?.state == "retired", "\(keys)")
        case .forget:
            #expect(try await certificate(name, sandbox) == nil)
            #expect(keys.count == 1 && keys.first?.state == "active", "\(keys)")
            try expectNothingLeft(name, sandbox)
        }
        return keys
    }

    /// Makes one call fail, and runs the command again.
    private func tryOne(_ command: Command, _ fault: Fault, at number: Int, _ sandbox: Sandbox) async throws {
        let name = "n\(number)-\(fault.rawValue).example.org"
        try await begin(command, name, sandbox)
        let before = try orders(sandbox)
        let log = sandbox.folder + "/failed-call"
        try? FileManager.default.removeItem(atPath: log)
        let first = try await sandbox.agent(
            command.arguments(name),
            environment: [
                "LD_PRELOAD": library(sandbox), "WRITE_FAULT_AT": "\(number)", "WRITE_FAULT": fault.rawValue, "WRITE_FAULT_LOG": log,
            ])
        let call = (try? String(contentsOfFile: log, encoding: .utf8)) ?? "none"
        let place: Comment = "\(command) \(fault) at \(number) (\(call)): \(first)"
        if fault.kills {
            #expect(first.status == SIGKILL || call == "none", place)
        } else {
            // Succeeded with a warning, or failed with a message and a status of sysexits.h.
            #expect(first.status == 0 || ((1...78).contains(first.status) && first.error.contains("error: ")), place)
        }
        let second = try await sandbox.agent(command.again(name))
        let isOver =
            command == .revoke && second.error.contains("already revoked")
            || command == .forget && second.error.contains("there is no certificate")
        #expect(second.status == 0 || isOver, "\(second) after \(place)")
        #expect(try orders(sandbox) - before <= 2, place)
        do {
            try await clear(name, expectDone(command, name, sandbox), sandbox)
        } catch {
            Issue.record("\(error) after \(place), then \(second)")
        }
        try expectNothingLeft(name, sandbox)
    }

    @Test(arguments: Command.allCases)
    func whateverCallFailsTheNextRunBringsItToAnEnd(_ command: Command) async throws {
        let sandbox = try await prepared()
        let count = try await calls(of: command, sandbox)
        #expect(count > 5, "the faults reach nothing")
        var tried = 0
        let faults = WriteFaultTests.faults(command)
        for (index, fault) in faults.enumerated() {
            // Each fault is tried at different calls.
            let step = WriteFaultTests.runsAll ? 1 : max(1, count / WriteFaultTests.sample(command))
            let first = WriteFaultTests.runsAll ? 1 : 1 + index * step / faults.count
            for number in stride(from: first, through: count, by: step) {
                try await tryOne(command, fault, at: number, sandbox)
                tried += 1
            }
        }
        #expect(tried >= faults.count * WriteFaultTests.sample(command))
        // Every key in the token has a name.
        let listed = try await sandbox.agent("keys", "list", "--json")
        #expect(try await sandbox.privateKeysInToken() == (listed.json["keys"] as? [Any])?.count, "\(listed)")
        #expect(try await sandbox.agent("audit", "verify").status == 0)
        await sandbox.end()
    }
}

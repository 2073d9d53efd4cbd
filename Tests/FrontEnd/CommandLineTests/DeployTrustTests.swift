import Foundation
import Glibc
import ProcessWaiting
import TestSupport
import Testing

@testable import acme_agent

/// What `deploy --check` takes from processes, files and programs of others, as root.
@Suite struct DeployTrustTests {
    // MARK: Processes

    private func sleeper() throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["60"]
        try process.run()
        return process
    }

    /// The number of a process may become another's: what was checked must be what is used.
    @Test func aProcessThatHasEndedShowsNothingOfALaterOneWithItsNumber() throws {
        let process = try sleeper(), id = process.processIdentifier
        let held = try #require(ServerProcess(id: id))
        // A process that has just started has no environment yet.
        for _ in 0..<500 where held.variable("NO_SUCH_VARIABLE") == nil { usleep(10_000) }
        #expect(held.isVisible && held.loaded(module: "no-such-module.so") == "" && held.variable("NO_SUCH_VARIABLE") == "")
        kill(process.processIdentifier, SIGKILL)
        process.waitAsleep()
        let later = try laterProcess(withNumber: id)
        defer {
            if let later { kill(later.processIdentifier, SIGKILL) }
            later?.waitAsleep()
        }
        if later != nil { #expect(ServerProcess(id: id)?.isVisible == true) }
        #expect(!held.isVisible && held.root == nil && held.loaded(module: "no-such-module.so") == nil)
        #expect(held.variable("NO_SUCH_VARIABLE") == nil && !held.isGenuine(named: ["sleep"]))
        #expect(!held.holds(["socket:[1]"], until: .now + .seconds(5)))
    }

    /// A process that the kernel gives a number that is free again; `nil` if it may not be told which one is next, or
    /// others are faster.
    private func laterProcess(withNumber id: Int32) throws -> Process? {
        for _ in 0..<20 {
            guard let file = FileHandle(forWritingAtPath: "/proc/sys/kernel/ns_last_pid") else { return nil }
            do { try file.write(contentsOf: Data("\(id - 1)".utf8)) } catch { return nil }
            let process = try sleeper()
            if process.processIdentifier == id { return process }
            kill(process.processIdentifier, SIGKILL)
            process.waitAsleep()
        }
        return nil
    }

    private func process(_ id: Int32, parent: Int32, user: UInt32) throws -> ServerProcess {
        let status = "Name:\tnginx\nState:\tS\nPPid:\t\(parent)\nUid:\t\(user)\t\(user)\t\(user)\t\(user)\nGid:\t0\t0\t0\t0\n"
        return try #require(ServerProcess(id: id, status: status))
    }

    /// In a container the server may be process 1, to which every orphan is given, whoever started it.
    @Test func anOrphanIsNotTheWorkerOfProcess1() throws {
        for (id, worker) in [(Int32(1), Int32(1)), (12, 30)] {
            let main = try process(id, parent: 0, user: 0)
            let others = try [process(20, parent: 7, user: 33), process(30, parent: id, user: 33), process(31, parent: id, user: 33)]
            #expect(ServerProcesses.worker(of: main, among: [main] + others).id == worker)
        }
        let main = try process(12, parent: 1, user: 0)
        #expect(ServerProcesses.worker(of: main, among: [main, try process(13, parent: 12, user: 0)]).id == 12)
    }

    @Test func descriptorsAreLookedThroughUntilADeadline() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        try #require(listener >= 0 && listen(listener, 1) == 0)
        let name = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(listener)")
        let own = try #require(ServerProcess(id: getpid()))
        #expect(own.holds([name], until: .now + .seconds(60)))
        #expect(!own.holds([name], until: .now - .seconds(1)))
        #expect(!own.holds(["socket:[0]"], until: .now + .seconds(60)))
        // The port that the kernel chose.
        var address = sockaddr_in(), length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isNamed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) == 0 }
        }
        try #require(isNamed)
        #expect(ServerProcess.listeners(on: UInt16(bigEndian: address.sin_port)).contains(name))
    }

    // MARK: Files

    /// With OPENSSL_CONF and OPENSSL_MODULES openssl(1) loads code: root runs it only with what root alone can change.
    @Test func opensslIsNotRunAsRootWithWhatOthersCanChange() throws {
        let folder = try TemporaryFolder(), file = try folder.write("openssl.cnf", "", mode: 0o644)
        let modules = folder.file("modules")
        try FileManager.default.createDirectory(atPath: modules, withIntermediateDirectories: false)
        func fault(_ configuration: String?, _ modules: String?) -> String? { DeploymentCheck.distrusted(configuration, modules)?.path }
        #expect(fault(file, modules) == nil && fault(nil, nil) == nil && fault("", "") == nil)
        // What is not there is not loaded.
        #expect(fault(folder.file("none.cnf"), folder.file("none")) == nil)
        for mode: mode_t in [0o664, 0o646] {
            chmod(file, mode)
            #expect(fault(file, modules) == file)
            chmod(file, 0o644)
            chmod(modules, mode | 0o111)
            #expect(fault(file, modules) == modules)
            chmod(modules, 0o755)
        }
        // Who may change the folder may exchange the file.
        chmod(folder.path, 0o777)
        #expect(fault(file, nil) == folder.path && fault(nil, modules) == folder.path)
        chmod(folder.path, 0o755)
        #expect(fault("openssl.cnf", nil) == "openssl.cnf" && fault("/dev/null", nil) == "/dev/null")
        guard geteuid() == 0 else { return }
        chown(file, 33, 33)
        #expect(fault(file, nil) == file)
    }

    /// openssl(1) is not even started.
    @Test(.enabled(if: geteuid() == 0)) func aConfigurationThatOthersCanChangeIsSaid() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        try session.folder.write("postconf", "#!/bin/sh\necho \"TZ OPENSSL_CONF=$PWD/openssl.cnf\"\n", mode: 0o755)
        try session.folder.write("openssl", "#!/bin/sh\necho \"$@\" >>\"${0%/*}/called\"\n", mode: 0o755)
        try session.folder.write("openssl.cnf", "", mode: 0o666)
        let finding = try await finding("provider", "postfix", session)
        #expect(finding?.state == "unknown", "\(String(describing: finding))")
        #expect(finding?.message.contains("openssl.cnf\" can be written by users other than its owner") == true)
        let called = (try? session.folder.read("called")) ?? ""
        #expect(!called.contains("list") && !called.contains("pkey"), "\(called)")
    }

    // MARK: Programs

    @Test func aProgramThatWritesTooMuchHasNoAnswer() async throws {
        let head = try #require(SystemProgram("head"))
        let short = try await head.run(["-c", "1000", "/dev/zero"])
        #expect(short?.isSuccess == true && short?.output.utf8.count == 1_000)
        // More than a pipe holds: the program waits until it is read.
        let whole = try await head.run(["-c", "200000", "/dev/zero"])
        #expect(whole?.isSuccess == true && whole?.output.utf8.count == 200_000)
        #expect(try await head.run(["-c", "300000", "/dev/zero"]) == nil)
        #expect(try await SystemProgram.lines(of: ["head", "-c", "300000", "/dev/zero"]) == [])
        #expect(try await SystemProgram.lines(of: ["no-such-program-here"]) == [])
        #expect(try await SystemProgram.lines(of: ["false"]) == [])
    }

    /// The part of `--check` about one condition, with programs of the session's folder before the system's.
    private func finding(
        _ condition: String, _ server: String, _ session: CommandLineSession
    ) async throws -> (state: String, message: String)? {
        let outcome = try await session.run(
            """
            PATH=$PWD:$PATH acme-agent deploy \(server) www.example.org --user root --chroot none --check --json \
            --connect 127.0.0.1:9
            """)
        let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
        let checks = (json?["check"] as? [String: Any])?["checks"] as? [[String: Any]]
        guard let found = checks?.first(where: { $0["check"] as? String == condition }), let state = found["state"] as? String,
            let message = found["message"] as? String
        else {
            Testing.Issue.record("\(outcome)")
            return nil
        }
        return (state, message)
    }

    /// Without the server's own word, what it gives to its processes is not known.
    @Test(arguments: ["exit 1", "exit 0", "head -c 300000 /dev/zero"])
    func aServerWhoseProgramGivesNoAnswerIsUnknown(_ script: String) async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        // The module is there, and OpenSSL does not load it.
        try session.folder.write("tls-acme-agent.so", "")
        try session.folder.write(
            "openssl", "#!/bin/sh\n[ \"$1\" != version ] || echo \"MODULESDIR: \\\"${0%/*}\\\"\"\n", mode: 0o755)
        for (server, program) in [("postfix", "postconf"), ("dovecot", "doveconf")] {
            try session.folder.write(program, "#!/bin/sh\n\(script)\n", mode: 0o755)
            let finding = try await finding("provider", server, session)
            #expect(finding?.state == "unknown", "\(String(describing: finding))")
            #expect(finding?.message == "`\(program) -h import_environment` does not print import_environment")
            // With an answer it is known.
            try session.folder.write(program, "#!/bin/sh\necho TZ\n", mode: 0o755)
            let known = try await self.finding("provider", server, session)
            #expect(known?.state == "failed" && known?.message.hasPrefix("import_environment has no OPENSSL_CONF") == true)
        }
    }
}

import Glibc

extension Main {
    /// Runs the soak and prints its figures.
    static func soakUnderFaults(_ programs: String, seconds: Double, seed: UInt64) -> Int32 {
        let mounts = entersMountNamespace()
        File.print("seed: \(seed)")
        if SoakUniverse.users.count == 1 { File.print("one user: others take root") }
        var agent: Agent?
        defer { agent?.end() }
        do throws(Finding) {
            let own = try Agent(programs: programs)
            agent = own
            let soak = try Soak(agent: own, seconds: seconds, seed: seed, mounts: mounts)
            if case .limited = soak.disk { File.print("disk full: by a limit for files; a file system of its own takes root") }
            let start = File.now
            var findings = try soak.run()
            let duration = File.now - start
            if !own.run([programs + "/acme-agent", "audit", "verify", "--partial", own.folder + "/state/audit/audit.jsonl"]) {
                findings.append(Finding("acme-agent audit verify refuses the trail, see \(own.log)"))
            }
            let table = SoakTable(soak, seconds: duration)
            File.print(table.text)
            for finding in findings { File.print("finding: \(finding)") }
            if !findings.isEmpty { File.print(own.lastWords) }
            let isGood = findings.isEmpty && table.holds
            File.print(isGood ? "no finding" : "\(findings.count) findings, \(table.missed) bounds missed")
            return isGood ? 0 : 1
        } catch {
            File.print("verifier: error: \(error)", to: 2)
            if let agent { File.print(agent.lastWords, to: 2) }
            return 2
        }
    }

    /// As root this program runs again in a mount namespace of its own, which ends with it, however it ends.
    /// - Returns: Whether it is in one.
    private static func entersMountNamespace() -> Bool {
        let mark = "VERIFIER_MOUNT_NAMESPACE"
        guard geteuid() == 0 else { return false }
        if File.variable(mark) != nil { return true }
        let path = "PATH=" + (File.variable("PATH") ?? "/usr/bin:/bin")
        guard File.run(["unshare", "--mount", "true"], environment: [path], output: "/dev/null") else { return false }
        setenv(mark, "1", 1)
        var arguments: [UnsafeMutablePointer<CChar>?] =
            (["unshare", "--mount", "--", "/proc/self/exe"] + CommandLine.arguments.dropFirst()).map { strdup($0) } + [nil]
        if let program = realpath("/proc/self/exe", nil) { arguments[3] = program }
        execvp("unshare", &arguments)
        unsetenv(mark)
        return false
    }
}

import Glibc

/// What the figures depend on besides the programs.
enum Machine {
    static func circumstances() -> [(name: String, value: String)] {
        [
            ("processor", processor()), ("CPUs", "\(sysconf(Int32(_SC_NPROCESSORS_ONLN)))"), ("kernel", kernel()),
            ("system", system()), ("OpenSSL", OpenSSLPeer.version), ("SoftHSM", softHSM()),
            ("placement", "client, agent and peers on the same CPUs; free unless a row says otherwise"),
        ]
    }

    private static func processor() -> String {
        let line = text("/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.drop { $0 == " " } }.map(String.init) ?? "unknown"
    }

    private static func kernel() -> String {
        text("/proc/sys/kernel/osrelease").split(separator: "\n").first.map(String.init) ?? "unknown"
    }

    private static func system() -> String {
        let line = text("/etc/os-release").split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
        return line?.dropFirst(12).filter { $0 != "\"" } ?? "unknown"
    }

    private static func softHSM() -> String {
        let log = "/tmp/acme-agent-bench-version.\(getpid())"
        defer { unlink(log) }
        let child = try? ChildProcess(["softhsm2-util", "--version"], environment: ["PATH": "/usr/bin:/bin"], log: log)
        _ = try? child?.wait()
        return child?.lastWords ?? "unknown"
    }

    private static func text(_ path: String) -> String { (try? Files.text(path)) ?? "" }
}

import Glibc

/// The run's workplace: its own folder, the programs under test, and the environment of every program.
final class Workshop {
    /// Its folder; removed at the end.
    let folder: String
    /// The folder of `acme-agentd`, `acme-agent-token`, `acme-agent` and this program.
    let programs: String
    let progress = Progress()

    init() throws {
        var template = Array("/tmp/acme-agent-bench.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError.system("mkdtemp") }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        guard count > 0 else { throw BenchError.system("readlink /proc/self/exe") }
        let own = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        programs = String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])
        for name in ["acme-agentd", "acme-agent-token", "acme-agent"] where access(programs + "/" + name, X_OK) != 0 {
            throw BenchError("\(programs)/\(name) has not been built; `make bench` builds it")
        }
        guard Files.exists("Package.swift"), Files.exists("softhsm/token-up") else {
            throw BenchError("this is not the package's folder; `make bench` starts the run there")
        }
    }

    /// This program.
    var bench: String { programs + "/acme-agent-bench" }

    /// The environment of every program: nothing of the user's own configuration.
    var environment: [String: String] {
        ["PATH": getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin", "HOME": folder, "LC_ALL": "C.UTF-8"]
    }

    /// The package's folder.
    func root() throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { throw BenchError.system("getcwd") }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Runs a program; throws unless it succeeds.
    func run(_ arguments: [String], environment extra: [String: String] = [:]) throws {
        let log = "\(folder)/\(arguments.first?.split(separator: "/").last ?? "program").log"
        let child = try ChildProcess(arguments, environment: environment.merging(extra) { $1 }, log: log)
        guard try child.wait().status == 0 else { throw BenchError("\(arguments.joined(separator: " ")): \(child.lastWords)") }
    }

    func remove() {
        _ = try? ChildProcess(["rm", "-rf", folder], environment: environment, log: "/dev/null").wait()
    }
}

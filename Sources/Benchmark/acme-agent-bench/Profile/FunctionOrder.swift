import ArgumentParser
import Glibc
import Measurement

/// In which order release builds lay functions out: first what daemon and helper execute for a signature, then what they execute to start.
///
/// A program of 20 MB executes some hundred kilobytes for a signature. Laid out as the linker finds them they are spread over all of it, and each
/// takes a line of the caches, an entry of the translation buffers and, since the kernel maps 64 KB around each fault, memory that nobody uses.
struct FunctionOrder: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find out with valgrind which functions daemon and helper execute, and write the linker's symbol ordering file.")

    @Option(help: "The file.")
    var output = "Config/function-order.txt"

    private static let heading =
        "# In which order release builds lay functions out: what a signature executes, then what a start does. Made by `Tests/bench --function-order`.\n"

    func run() throws {
        let workshop = try Workshop()
        defer { workshop.remove() }
        workshop.progress.say("function order: daemon and helper under valgrind")
        // valgrind does not read the debugging information, and stops at it.
        let daemon = workshop.folder + "/acme-agentd", helper = workshop.folder + "/acme-agent-token"
        for program in [daemon, helper] {
            let name = program.split(separator: "/").last.map(String.init) ?? ""
            try workshop.run(["strip", "-g", "-o", program, workshop.programs + "/" + name])
        }
        let script = workshop.folder + "/helper"
        try Files.write(script, "#!/bin/sh\nexec \(traced(helper).joined(separator: " ")) \"$@\"\n".utf8, mode: 0o755)
        var settings = AgentUnderTest.Settings()
        settings.verifiesAll = false
        settings.program = traced(daemon)
        settings.helper = script
        let agent = try AgentUnderTest("agent", settings, workshop: workshop)
        defer { agent.stop() }
        try agent.makeKey("p256", .p256)
        // Both dumps hold what was executed since the one before.
        for _ in 0..<2 {
            _ = try agent.load(key: "p256", connections: 8, seconds: 3)
            for process in agent.processes { try workshop.run(["callgrind_control", "-d", "\(process)"]) }
        }
        var names: [String] = []
        var seen: Set<String> = []
        for dump in [2, 1] {
            for program in [daemon, helper] {
                let profile = CallgrindProfile(try Files.text("\(program).callgrind.\(dump)"))
                // What has no symbol, and what valgrind has put together.
                for name in profile.names(in: program) where !name.hasPrefix("0x") && !name.hasPrefix("(") && seen.insert(name).inserted {
                    names.append(name)
                }
            }
        }
        guard names.count > 500 else { throw BenchError("only \(names.count) functions were found; are the programs stripped?") }
        try Files.write(output, (FunctionOrder.heading + names.joined(separator: "\n") + "\n").utf8, mode: 0o644)
        workshop.progress.say("function order: \(names.count) functions in \(output)")
    }

    private func traced(_ program: String) -> [String] {
        ["valgrind", "-q", "--tool=callgrind", "--demangle=no", "--callgrind-out-file=\(program).callgrind", program]
    }
}

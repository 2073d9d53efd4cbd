import ArgumentParser
import Glibc
import Measurement

/// Determines the order of functions in release builds: first those that daemon and helper execute for a signature,
/// then those they execute to start.
///
/// A program of 20 MB executes a few hundred kilobytes for a signature. In the linker's default order, they are spread
/// over the whole program. Each then takes a cache line, a TLB entry and, since the kernel maps 64 KB around each
/// fault, memory that is not used.
struct FunctionOrder: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find the functions that daemon and helper execute, with valgrind, and write the linker's symbol ordering file.")

    @Option(help: "The file to write.")
    var output = "Config/function-order.txt"

    private static let heading =
        "# The order of functions in release builds: what a signature executes, then what a start does. Made by `Tests/bench --function-order`.\n"

    func run() throws {
        let workshop = try Workshop()
        defer { workshop.remove() }
        workshop.progress.say("function order: daemon and helper under valgrind")
        // valgrind fails on this debugging information.
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
        // Each dump has what was executed since the previous one.
        for _ in 0..<2 {
            _ = try agent.load(key: "p256", connections: 8, seconds: 3)
            for process in agent.processes { try workshop.run(["callgrind_control", "-d", "\(process)"]) }
        }
        var names: [String] = []
        var seen: Set<String> = []
        for dump in [2, 1] {
            for program in [daemon, helper] {
                let profile = CallgrindProfile(try Files.text("\(program).callgrind.\(dump)"))
                // Skip functions without a symbol, and valgrind's summaries.
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

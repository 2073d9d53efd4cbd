import ArgumentParser
import FuzzTargets
import Glibc

/// Gives readers of untrusted bytes inputs that nobody would write.
@main struct Fuzz: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fuzz",
        abstract: "Gives a reader of untrusted bytes inputs that nobody would write.",
        discussion: """
            Where libFuzzer is linked (Tests/Fuzz/build) it looks for inputs that reach new code. Otherwise inputs are changed at random, by \
            the seed. Exit status: 0 if nothing was found; 1 for a finding, whose input is left in a file; 64 for wrong arguments. An \
            input that crashes ends the process by the signal.
            """)

    @Flag(help: "Print the targets, one a line.") var list = false
    @Option(help: "How long, in seconds of wall-clock time.") var seconds = 10
    @Option(help: "Of the random numbers.") var seed: UInt64 = 1
    @Option(help: "A folder with inputs to begin with.") var corpus: [String] = []
    @Option(help: "The folder for inputs that reach new code; only with libFuzzer.") var reached: String?
    @Option(help: "The folder for inputs with which something was found.") var artifacts = "."
    @Argument(help: "The target.") var target: String?
    @Argument(help: "Inputs to run once, in place of searching.") var files: [String] = []

    func run() throws {
        if list {
            for target in FuzzTarget.all { print(target.name) }
            return
        }
        guard let name = target, let target = FuzzTarget.all.first(where: { $0.name == name }) else {
            throw ValidationError("name one of the targets: \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
        }
        guard (1...86_400).contains(seconds) else { throw ValidationError("--seconds must be from 1 to 86400") }
        let inputs = try Inputs(target, folders: corpus)
        if !files.isEmpty {
            try Search(target, inputs: [], seed: seed, artifacts: artifacts).replay(files.map { try Inputs.read($0) })
        } else if LibFuzzer.isLinked {
            try LibFuzzer(target, seconds: seconds, seed: seed, artifacts: artifacts).run(
                inputs, folders: corpus, reached: reached)
        } else {
            var search = Search(target, inputs: inputs.all, seed: seed, artifacts: artifacts)
            try search.run(seconds: seconds)
        }
    }
}

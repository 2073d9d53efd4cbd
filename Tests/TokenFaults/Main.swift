import Foundation
import PKCS11

/// Gives a token in use each fault of each PKCS#11 function, and checks what callers see, what the token has afterwards
/// and how long it takes until it is used again.
///
///     token-faults --programs FOLDER [--root FOLDER] [--seconds N] [--seed N] [--jobs N] [--only TEXT] [--lines FILE]
///         [--recovery N]
///
/// Without --seconds all cases run; with it, as many of them as begin within that time, in an order that the seed
/// decides, without those in which a call hangs. --only runs the cases whose description has that text. --root is the
/// folder of the sources. --recovery is how many seconds the token may take to be in use again: 5, or more on a machine
/// that is busy with something else. Exit status: 0 if all is as it must be; 1 for a finding; 2 for wrong arguments.
@main struct Main {
    private struct Options {
        var programs: String?
        var root = "."
        var seconds: Double?
        var seed = UInt64.random(in: 0...0xFFFF_FFFF)
        var jobs = 6
        var only: String?
        var lines: String?
        var recovery = 5.0

        init?(_ arguments: [String]) {
            var arguments = arguments[...]
            while let option = arguments.popFirst() {
                guard let value = arguments.popFirst() else { return nil }
                switch option {
                case "--programs": programs = value
                case "--root": root = value
                case "--seconds": seconds = Double(value)
                case "--seed": seed = UInt64(value) ?? seed
                case "--jobs": jobs = max(1, Int(value) ?? jobs)
                case "--only": only = value
                case "--lines": lines = value
                case "--recovery": recovery = Double(value) ?? recovery
                default: return nil
                }
            }
            if programs == nil { return nil }
        }
    }

    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        guard let options = Options(Array(CommandLine.arguments.dropFirst())), let programs = options.programs else {
            complain(
                "usage: token-faults --programs FOLDER [--root FOLDER] [--seconds N] [--seed N] [--jobs N] [--only TEXT] [--lines FILE] [--recovery N]"
            )
            exit(2)
        }
        guard let differences = CryptokiFunction.differences(from: options.root + "/Sources/Token/PKCS11"),
            let values = DocumentedValues.read(options.root + "/Docs/tokens.md")
        else {
            complain("token-faults: error: \(options.root) has not the sources, or Docs/tokens.md no tables of return values")
            exit(2)
        }
        guard differences == ([], []) else {
            complain("token-faults: error: missing in the table: \(differences.missing.sorted()); unused: \(differences.unused.sorted())")
            exit(1)
        }
        guard DocumentedValues.functions(options.root + "/Docs/tokens.md") == CryptokiFunction.all.map(\.name) else {
            complain("token-faults: error: the table of functions in Docs/tokens.md is not that of this program")
            exit(1)
        }
        var cases = FaultCase.all(values)
        if let only = options.only { cases = cases.filter { $0.description.contains(only) } }
        if options.seconds != nil {
            var generator = SplitMix64(state: options.seed)
            cases = cases.filter { $0.fault != .hang }.shuffled(using: &generator)
            say("seed: \(options.seed)")
        }
        do {
            let template = try await TestAgent(programs: programs)
            try await template.makeKeys()
            await template.end()
            var results = await run(cases, options, programs, template)
            // What was late beside others is measured alone.
            let late = results.filter(\.isLate).map(\.faultCase)
            if !late.isEmpty {
                var alone = options
                (alone.jobs, alone.seconds) = (1, nil)
                say("\(late.count) late, and run again alone")
                results =
                    results.filter { !$0.isLate }
                    + (await run(late, alone, programs, template)).map { result in
                        var result = result
                        if result.isLate { result.findings.append("a request was met only after \(result.back ?? result.slowest) s") }
                        return result
                    }
                for result in results where result.isLate { say("\(result.faultCase): \(result.findings.joined(separator: "; "))") }
            }
            template.removeFolder()
            finish(results, of: cases.count, options)
        } catch {
            complain("token-faults: error: \(error)")
            exit(1)
        }
    }

    private static func run(_ cases: [FaultCase], _ options: Options, _ programs: String, _ template: TestAgent) async -> [CaseResult] {
        let begin = ContinuousClock.now
        return await withTaskGroup(of: CaseResult.self) { group in
            var next = 0, results: [CaseResult] = []
            func start(in group: inout TaskGroup<CaseResult>) {
                guard next < cases.count, options.seconds.map({ (ContinuousClock.now - begin) / .seconds(1) < $0 }) ?? true else { return }
                let (number, faultCase) = (next, cases[next])
                next += 1
                let recovery = options.recovery
                group.addTask {
                    await CaseRun.run(faultCase, number: number, programs: programs, like: template, mostToRecover: recovery)
                }
            }
            for _ in 0..<options.jobs { start(in: &group) }
            while let result = await group.next() {
                results.append(result)
                for finding in result.findings { say("\(result.faultCase): \(finding)") }
                start(in: &group)
            }
            return results
        }
    }

    private static func finish(_ results: [CaseResult], of all: Int, _ options: Options) -> Never {
        let order = Dictionary(uniqueKeysWithValues: CryptokiFunction.all.enumerated().map { ($1, $0) })
        let sorted = results.sorted {
            let (first, second) = ($0.faultCase, $1.faultCase)
            return (order[first.function] ?? 0, first.kind, first.returnValue?.rawValue ?? 0)
                < (order[second.function] ?? 0, second.kind, second.returnValue?.rawValue ?? 0)
        }
        if let file = options.lines, (try? Report.lines(sorted).write(toFile: file, atomically: true, encoding: .utf8)) == nil {
            complain("token-faults: error: \(file) cannot be written")
            exit(2)
        }
        if options.seconds == nil { say(Report.table(sorted)) }
        let findings = results.count { !$0.findings.isEmpty }
        say(
            "\(results.count) of \(all) cases, \(results.reduce(0) { $0 + $1.requests }) requests, "
                + "\(results.reduce(0) { $0 + $1.failures.count }) failed; \(findings == 0 ? "no finding" : "\(findings) with findings")")
        exit(findings == 0 && !results.isEmpty ? 0 : 1)
    }

    /// At once: the end may be a long way off.
    private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

    private static func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

/// Steele, Lea, Flood 2014: the same order for the same seed.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

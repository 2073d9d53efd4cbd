import Glibc

/// Asks an agent for signatures, honestly and not, and compares what each signature means, by its bytes alone, with what
/// policy allows.
///
///     verifier --programs FOLDER [--count N] [--seed N]
///     verifier --programs FOLDER --case FILE
///     verifier --programs FOLDER --soak SECONDS [--seed N]
///     verifier --table Docs/threat-model.md
///     verifier --self-test
///
/// The first form starts `acme-agentd` of that folder with a SoftHSM token and sends N calls; as root for several users.
/// What it finds it prints, with a case that the second form runs again; `--all yes` goes on after a finding. The third
/// form keeps 64 clients busy while the agent's helper, token, disk and configuration fail and change, and prints a
/// table. Exit status: 0 if all is as it must be; 1 for a finding, which is printed with its seed; 2 for wrong
/// arguments, or if the agent could not be started.
@main struct Main {
    static func main() {
        signal(SIGPIPE, SIG_IGN)
        var count = 10_000, seed: UInt64?, programs: String?, table: String?, all: String?, file: String?, seconds: Double?
        var testsItself = false
        var arguments = Array(CommandLine.arguments.dropFirst())[...]
        while let option = arguments.popFirst() {
            if option == "--self-test" {
                testsItself = true
                continue
            }
            let value = arguments.popFirst() ?? ""
            switch option {
            case "--count": count = Int(value) ?? -1
            case "--seed": seed = UInt64(value)
            case "--programs": programs = value
            case "--table": table = value
            case "--case": file = value
            case "--all": all = value
            case "--soak": seconds = Double(value).flatMap { $0 > 0 ? $0 : nil } ?? -1
            default: count = -1
            }
        }
        if let table { exit(checkTable(table)) }
        if testsItself { exit(selfTest()) }
        guard count >= 0, seconds ?? 1 > 0, let programs else {
            File.print(
                """
                usage: verifier --programs FOLDER [--count N] [--seed N] [--all yes] | --programs FOLDER --case FILE
                       verifier --programs FOLDER --soak SECONDS [--seed N] | --table FILE | --self-test
                """, to: 2)
            exit(2)
        }
        if let file { exit(runCase(programs, file)) }
        let number = seed ?? UInt64.random(in: 0...0xFFFF_FFFF)
        if let seconds { exit(soakUnderFaults(programs, seconds: seconds, seed: number)) }
        exit(soak(programs, count, number, all))
    }

    private static func checkTable(_ path: String) -> Int32 {
        guard let rows = WorstCases.rows, let documented = WorstCases.documented(path) else {
            File.print("verifier: error: \(path) or worst-cases.json has no table", to: 2)
            return 2
        }
        let own = Set(rows)
        for row in own.symmetricDifference(documented) {
            File.print(
                "verifier: error: only in \(own.contains(row) ? "worst-cases.json" : path): \(row.signed) as \(row.taken), \(row.consequence)",
                to: 2)
        }
        return own == documented && own.count == rows.count ? 0 : 1
    }

    private static func selfTest() -> Int32 {
        do throws(Finding) {
            let (problems, passed) = try SelfTest.run()
            for problem in problems { File.print("verifier: error: \(problem)", to: 2) }
            File.print("\(passed) replies and values judged as they must be, \(problems.count) not")
            return problems.isEmpty && WorstCases.rows != nil ? 0 : 1
        } catch {
            File.print("verifier: error: \(error)", to: 2)
            return 2
        }
    }

    private static func soak(_ programs: String, _ count: Int, _ seed: UInt64, _ all: String?) -> Int32 {
        File.print("seed: \(seed)")
        guard WorstCases.rows != nil else {
            File.print("verifier: error: worst-cases.json is missing or not the table", to: 2)
            return 2
        }
        var agent: Agent?
        defer { agent?.end() }
        do throws(Finding) {
            let own = try Agent(programs: programs)
            agent = own
            let rounds = try Rounds(agent: own, seed: seed)
            rounds.keepsGoing = all != nil
            let start = File.now
            let failure = try rounds.run(count)
            let seconds = File.now - start
            if let failure {
                File.print(failure.text)
                own.end()
                agent = nil
                return show(failure.asCase, programs)
            }
            report(rounds, seconds)
            for failure in rounds.failures { File.print("=====\n" + failure.text + "\ncase: " + failure.asCase.json.text()) }
            return rounds.failures.isEmpty && rounds.hasTriedEverything ? 0 : 1
        } catch {
            File.print("verifier: error: \(error)", to: 2)
            return 2
        }
    }

    private static func runCase(_ programs: String, _ path: String) -> Int32 {
        guard let text = File.read(path), let one = Case(text) else {
            File.print("verifier: error: \(path) is no case", to: 2)
            return 2
        }
        return show(one, programs)
    }

    /// Runs a case alone, makes it smaller, and prints it.
    private static func show(_ one: Case, _ programs: String) -> Int32 {
        var agent: Agent?
        defer { agent?.end() }
        do throws(Finding) {
            let own = try Agent(programs: programs)
            agent = own
            var smaller = one
            let finding = try smaller.run(own)
            File.print(finding.map { "alone: \($0)" } ?? "alone, the call is answered as it must be")
            File.print("case: " + (finding == nil ? one : smaller).json.text())
            return 1
        } catch {
            File.print("case: " + one.json.text())
            File.print("verifier: error: \(error)", to: 2)
            return 2
        }
    }

    private static func report(_ rounds: Rounds, _ seconds: Double) {
        for method in Method.names {
            File.print("\(method): \(rounds.successes[method] ?? 0) allowed, \(rounds.refusals[method] ?? 0) refused")
        }
        File.print(
            "\(rounds.count) calls in \(Int(seconds)) s, \(Int(Double(rounds.count) / max(seconds, 0.001))) a second; \(rounds.failures.isEmpty ? "no finding" : "\(rounds.failures.count) findings")"
        )
        File.print(
            "refused with two meanings: " + rounds.twofold.keys.sorted().map { "\($0) \(rounds.twofold[$0] ?? 0)" }.joined(separator: ", "))
        if !rounds.hasTriedEverything { File.print("verifier: error: some method was never allowed, or never refused", to: 2) }
    }
}

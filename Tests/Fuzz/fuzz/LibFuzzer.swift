import CFuzzer
import FuzzTargets
import Glibc
import Synchronization

/// Runs libFuzzer (https://llvm.org/docs/LibFuzzer.html), which changes inputs by what code they reach.
struct LibFuzzer {
    private let target: FuzzTarget
    private let seconds: Int
    private let seed: UInt64
    private let artifacts: String

    /// libFuzzer calls a function without a context.
    private static let current = Mutex<FuzzTarget?>(nil)
    private static let accepted = Atomic<Int>(0)

    static var isLinked: Bool { cfuzzer_is_linked() == 1 }

    init(_ target: FuzzTarget, seconds: Int, seed: UInt64, artifacts: String) {
        self.target = target
        self.seconds = seconds
        self.seed = seed
        self.artifacts = artifacts
    }

    /// - Parameters:
    ///   - folders: with files to begin with; they are not changed.
    ///   - reached: gets the inputs that reach new code; begins with what is in it.
    /// - Throws: `Failure`. libFuzzer itself exits, with another status than 0, if something is found.
    func run(_ inputs: Inputs, folders: [String], reached: String?) throws {
        let target = target
        LibFuzzer.current.withLock { $0 = target }
        guard inputs.all.contains(where: { (try? target.run($0)) ?? false }) else {
            throw Failure(target, "no input of the corpus is accepted")
        }
        let own = reached ?? "\(artifacts)/\(target.name)"
        mkdir(own, 0o755)
        for (index, seed) in inputs.seeds.enumerated() { try Inputs.write(seed, to: "\(own)/seed-\(index)") }
        let dictionary = own + ".tokens"
        try Inputs.write(LibFuzzer.dictionary(target.tokens), to: dictionary)
        let arguments =
            [
                "fuzz", "-max_total_time=\(seconds)", "-seed=\(UInt32(truncatingIfNeeded: seed))", "-max_len=\(target.longest)",
                "-timeout=20", "-rss_limit_mb=512", "-artifact_prefix=\(artifacts)/\(target.name).", "-dict=\(dictionary)", own,
            ] + folders
        // libFuzzer exits by itself.
        atexit {
            guard let name = LibFuzzer.current.withLock({ $0?.name }) else { return }
            print("\(name): \(LibFuzzer.accepted.load(ordering: .relaxed)) inputs accepted")
        }
        // It leaves handlers alone that are set, as the Swift runtime may have done to print a backtrace.
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE] { signal(number, SIG_DFL) }
        // It keeps the arguments while the process lives.
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let status = pointers.withUnsafeMutableBufferPointer { pointers in
            cfuzzer_run(Int32(arguments.count), pointers.baseAddress) { bytes, count in
                LibFuzzer.give(Array(UnsafeBufferPointer(start: bytes, count: count)))
                return 0
            }
        }
        guard status == 0 else { throw Failure(target, "libFuzzer ended with status \(status)") }
    }

    private static func give(_ input: [UInt8]) {
        guard let target = current.withLock({ $0 }) else { return }
        do throws(Finding) {
            if try target.run(input) { accepted.add(1, ordering: .relaxed) }
        } catch {
            let line = "fuzz: \(target.name): \(error)\n"
            _ = write(STDERR_FILENO, line, line.utf8.count)
            // libFuzzer keeps the input.
            abort()
        }
    }

    /// One quoted token a line.
    private static func dictionary(_ tokens: [[UInt8]]) -> [UInt8] {
        var text = ""
        for token in tokens {
            text += "\"" + token.map { "\\x" + ($0 < 0x10 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined() + "\"\n"
        }
        return Array(text.utf8)
    }
}

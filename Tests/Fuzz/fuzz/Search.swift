import ArgumentParser
import CFuzzer
import FuzzTargets
import Glibc

/// Changes inputs at random for a time, and keeps some of those that are accepted to change them further.
struct Search {
    private let target: FuzzTarget
    private let artifacts: String
    private var inputs: [[UInt8]]
    private var mutator: Mutator

    /// Inputs that are kept.
    private static let maximumInputs = 1_000
    /// CPU seconds after which an input counts as one that does not end.
    private static let patience: UInt32 = 20
    /// What the process may take, in KiB: a reader that keeps no more than a few times its input stays far below.
    private static let memory = 512 << 10

    init(_ target: FuzzTarget, inputs: [[UInt8]], seed: UInt64, artifacts: String) {
        self.target = target
        self.artifacts = artifacts
        self.inputs = inputs
        mutator = Mutator(seed: seed, tokens: target.tokens, longest: target.longest)
    }

    private var path: String { "\(artifacts)/\(target.name).input" }

    private func watch() throws {
        guard cfuzzer_watch(path, Search.patience) == 1 else { throw ValidationError("the folder's name is too long: \(artifacts)") }
    }

    /// Gives the target an input.
    /// - Returns: Whether it was accepted.
    /// - Throws: `Failure` for a finding.
    private func give(_ input: [UInt8]) throws -> Bool {
        try input.withUnsafeBufferPointer { bytes -> Bool in
            cfuzzer_input(bytes.baseAddress, bytes.count)
            do throws(Finding) { return try target.run(input) } catch {
                try Inputs.write(input, to: path)
                throw Failure(target, "\(error)\nfuzz: the input is \(path)")
            }
        }
    }

    /// - Throws: `Failure` for a finding.
    func replay(_ inputs: [[UInt8]]) throws {
        try watch()
        let accepted = try inputs.count { try give($0) }
        print("\(target.name): \(inputs.count) inputs, \(accepted) accepted")
    }

    /// - Throws: `Failure` for a finding, also if no input is accepted, since then nothing is tested.
    mutating func run(seconds: Int) throws {
        try watch()
        var runs = 0, accepted = 0
        for input in inputs {
            if try give(input) { accepted += 1 }
            runs += 1
        }
        guard accepted > 0 else {
            throw Failure(target, "no input of the corpus is accepted")
        }
        let end = Search.now + Double(seconds)
        while Search.now < end {
            for _ in 0..<64 {
                let input = mutator.mutated(inputs[mutator.index(below: inputs.count)], with: inputs[mutator.index(below: inputs.count)])
                runs += 1
                guard try give(input) else { continue }
                accepted += 1
                keep(input)
            }
            guard cfuzzer_peak_memory() < Search.memory else {
                throw Failure(target, "the process took more than \(Search.memory >> 10) MiB")
            }
        }
        print("\(target.name): \(runs) inputs, \(accepted) accepted, nothing found")
    }

    private mutating func keep(_ input: [UInt8]) {
        if inputs.count < Search.maximumInputs {
            inputs.append(input)
        } else if mutator.index(below: 8) == 0 {
            inputs[mutator.index(below: inputs.count)] = input
        }
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// What ends the program with exit status 1, and is said before.
struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ target: FuzzTarget, _ message: String) { description = "\(target.name): \(message)" }
}

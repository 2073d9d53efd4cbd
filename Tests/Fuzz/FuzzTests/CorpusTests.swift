import CFuzzer
import Foundation
import Testing

@testable import FuzzTargets

/// The inputs that are kept in Tests/Fuzz/Corpus, those with which something was found among them, and a look at the
/// means of the search themselves.
@Suite struct CorpusTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpus")

    private static func files(of target: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder.appending(path: target)
        guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .map { ($0.lastPathComponent, Array(try Data(contentsOf: $0))) }
    }

    @Test(arguments: FuzzTarget.all.map(\.name))
    func nothingIsFoundInTheCorpus(_ name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        for (index, seed) in try target.seeds().enumerated() {
            #expect(seed.count <= target.longest, "seed \(index)")
            #expect(try target.run(seed), "seed \(index) is refused: \(String(decoding: seed, as: UTF8.self))")
        }
        for (file, bytes) in try Self.files(of: name) {
            #expect(throws: Never.self, "\(file)") { _ = try target.run(bytes) }
        }
    }

    /// A few changed inputs of each, the same in every run; `make fuzz` has more.
    @Test(arguments: FuzzTarget.all.map(\.name))
    func nothingIsFoundInChangedInputs(_ name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        var inputs = try target.seeds() + Self.files(of: name).map(\.bytes)
        var mutator = Mutator(seed: 7, tokens: target.tokens, longest: target.longest)
        for _ in 0..<300 {
            let input = mutator.mutated(inputs[mutator.index(below: inputs.count)], with: inputs[mutator.index(below: inputs.count)])
            #expect(input.count <= target.longest)
            do throws(Finding) {
                if try target.run(input), inputs.count < 200 { inputs.append(input) }
            } catch {
                Issue.record("\(error): \(Data(input).base64EncodedString())")
                return
            }
        }
    }

    @Test func everyFolderOfTheCorpusBelongsToATarget() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(Set(folders).subtracting(FuzzTarget.all.map(\.name)).isEmpty)
        #expect(Set(FuzzTarget.all.map(\.name)).count == FuzzTarget.all.count)
    }

    /// A search that could not fail would find nothing.
    @Test func aBrokenPromiseIsFound() throws {
        let target = FuzzTarget("broken", tokens: ["ab"], seeds: { [[0x61]] }) { bytes in
            try expect(bytes.firstRange(of: "abab".utf8) == nil, "it has abab")
            return true
        }
        var mutator = Mutator(seed: 1, tokens: target.tokens, longest: target.longest), inputs = try target.seeds()
        var found: Finding?
        for _ in 0..<20_000 where found == nil {
            let input = mutator.mutated(inputs[mutator.index(below: inputs.count)], with: inputs[0])
            do throws(Finding) {
                if try target.run(input), inputs.count < 100 { inputs.append(input) }
            } catch { found = error }
        }
        #expect(found?.description == "it has abab")
    }

    @Test func whatTakesTooLongOrThrowsSomethingElseIsFound() throws {
        let slow = FuzzTarget("slow", seeds: { [] }) { _ in
            let end = cfuzzer_cpu_time() + 2 * FuzzTarget.patience
            while cfuzzer_cpu_time() < end {}
            return true
        }
        #expect { try slow.run([1]) } throws: { "\($0)".hasPrefix("1 bytes took ") }
        let wrong = FuzzTarget("wrong", seeds: { [] }) { _ in throw CocoaError(.fileNoSuchFile) }
        #expect { try wrong.run([]) } throws: { "\($0)".hasPrefix("an error that no reader should throw") }
    }
}

import ACME
import CertificateStore
import Foundation
import Issuance
import TestSupport
import Testing

/// A trial goes as far as a certificate's order does without a key.
@Suite struct DryRunTests {
    @Test func namesAreProvenAndNothingIsLeft() async throws {
        let bench = try Bench()
        try await bench.flow().prove(try Bench.request(["www.example.org", "example.org"]))
        let names = bench.eventNames
        #expect(names.count { $0 == "validated" } == 2, "\(names)")
        #expect(!names.contains("finalized") && !names.contains("key-created"), "\(names)")
        #expect(bench.solver.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
        #expect(try await bench.store.certificateNames().isEmpty)
        #expect(try DurableNames.below(bench.store.folder) == [])
    }

    @Test func aKilledTrialIsCleanedUpByTheNext() async throws {
        var limit = 1
        while true {
            let bench = try Bench(), killSwitch = KillSwitch(after: limit)
            do {
                try await bench.flow(killedBy: killSwitch).prove(try Bench.request())
                break
            } catch {}
            try await bench.flow().prove(try Bench.request())
            #expect(bench.solver.isEmpty, "after \(limit) steps")
            #expect(try await bench.store.journalNames().isEmpty, "after \(limit) steps")
            limit += 1
        }
        #expect(limit > 8)
    }

    @Test func aFailureSaysWhy() async throws {
        let bench = try Bench(look: { _, _, _, _ in nil })
        await #expect(throws: IssuanceError.self) { try await bench.flow().prove(try Bench.request()) }
        #expect(try await bench.store.journalNames().isEmpty)
        #expect(bench.solver.isEmpty)
    }
}

/// The files in a folder and those below it.
enum DurableNames {
    static func below(_ folder: String) throws -> [String] {
        let all = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return all.filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: folder + "/" + $0, isDirectory: &isFolder) && !isFolder.boolValue
        }
    }
}

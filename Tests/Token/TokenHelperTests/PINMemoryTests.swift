import DurableFile
import FaultyDisk
import Foundation
import Testing

@testable import TokenHelper

/// What a full or failing disk leaves of the memory of tried PINs.
@Suite struct PINMemoryTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "pin-memory-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func memory(_ calls: FileCalls = .real) throws -> PINMemory {
        try PINMemory(folder: folder, tokenName: "unit", serial: "0a1B", calls: calls)
    }

    private func attempts(_ values: Int...) throws -> PINAttempts {
        var attempts = PINAttempts()
        for value in values {
            let salt = [UInt8](repeating: UInt8(value), count: PINAttemptsFile.saltLength)
            try attempts.begin(PINAttempts.Mark(salt: salt, tag: UInt16(value)), flags: PINAttempts.Flags())
        }
        return attempts
    }

    private func store(_ attempts: PINAttempts, on disk: FaultyDisk, failingAt index: Int) throws -> FileError? {
        let memory = try memory(disk.calls)
        disk.fail(at: index)
        do throws(FileError) { try memory.store(attempts) } catch { return error }
        return nil
    }

    private var names: [String] { get throws { try DurableFile.names(in: folder) } }

    @Test(arguments: [ENOSPC, EIO]) func aFaultAtAnyCallLeavesTheOldMemoryOrTheNewOne(number: Int32) throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let disk = FaultyDisk(number: number)
        let before = try attempts(1)
        for after in [try attempts(1, 2), PINAttempts()] {
            var faults = 0
            while true {
                disk.clear()
                try memory().store(before)
                let failure = try store(after, on: disk, failingAt: faults)
                let found = try memory().load()
                #expect(failure == nil ? found == after : found == before || found == after, "call \(faults)")
                #expect(try names.allSatisfy { $0 == "pin-attempts-0a1B" || $0 == "pin-attempts-0a1B.lock" }, "call \(faults)")
                guard let failure else { break }
                #expect(failure.code == number)
                faults += 1
            }
            // Write, sync, rename and the folder's sync; or only that sync.
            #expect(faults == (after.records.isEmpty ? 1 : 4))
        }
    }

    @Test func aMemoryThatAnotherHasIsBusy() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try memory()
        #expect(throws: PINMemory.Failure.busy(path: folder + "/pin-attempts-0a1B.lock")) { try memory() }
        try first.store(try attempts(1))
    }

    @Test func aFileLongerThanAnyMemoryIsDamaged() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let bytes = [UInt8](repeating: 0x61, count: PINAttemptsFile.longest + 1)
        try DurableFile.replace(folder + "/pin-attempt-unit", with: bytes, mode: 0o600)
        #expect(throws: PINMemory.Failure.damaged(path: folder + "/pin-attempt-unit")) { try memory().load() }
    }
}

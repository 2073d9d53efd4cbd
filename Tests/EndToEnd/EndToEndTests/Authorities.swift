import Foundation
import ProcessWaiting
import Synchronization
import Testing

/// What a sandbox has of the internet: the CA (Pebble, once open and once for external accounts only) and its DNS
/// server.
///
/// Their start takes longer than most tests, so a sandbox borrows those that another of this process has given back.
/// Two sandboxes never have the same at a time, since the CA validates at one port. They end with this process, however
/// it ends.
final class Authorities: Sendable {
    let folder: String
    private let holder: Program.Running
    /// The holder ends when this is closed.
    private let input: FileHandle
    private let sandboxes = Atomic(0)

    private struct Pool {
        var idle: [Authorities] = []
        var running: [ObjectIdentifier: Authorities] = [:]
    }
    private static let pool = Mutex(Pool())
    /// Once.
    private static let endsWithTheProcess: Void = {
        atexit {
            let all = Authorities.pool.withLock { Array($0.running.values) }
            for authorities in all { try? authorities.input.close() }
            for authorities in all {
                _ = authorities.holder.process.statusAtEnd()
                authorities.holder.removeFiles()
            }
        }
    }()

    /// Those of the pool, or new ones.
    static func borrow() async throws -> Authorities {
        let idle = pool.withLock { $0.idle.popLast() }
        if let idle { return idle }
        return try await Authorities(pebble: [:])
    }

    func giveBack() { Self.pool.withLock { $0.idle.append(self) } }

    /// - Parameter pebble: Variables for Pebble.
    init(pebble: [String: String]) async throws {
        _ = Self.endsWithTheProcess
        // Short: sandboxes with their sockets are below it.
        folder = FileManager.default.temporaryDirectory.path + "/ca-\(UUID().uuidString.prefix(8))"
        var variables = Program.environment
        variables["SANDBOX_DIR"] = folder
        variables["PEBBLE_VA_NOSLEEP"] = "1"
        variables["PEBBLE_WFE_NONCEREJECT"] = "0"
        variables["PEBBLE_AUTHZREUSE"] = "0"
        variables.merge(pebble) { _, new in new }
        let pipe = Pipe()
        input = pipe.fileHandleForWriting
        // Programs that this process starts must not keep it open.
        try #require(fcntl(input.fileDescriptor, F_SETFD, FD_CLOEXEC) == 0)
        holder = try Program.start(
            "/bin/bash", ["Tests/Sandbox/hold", "--while-input", "--no-build", "--authorities-only"], environment: variables,
            input: pipe.fileHandleForReading)
        try? pipe.fileHandleForReading.close()
        Self.pool.withLock { $0.running[ObjectIdentifier(self)] = self }
        while !FileManager.default.fileExists(atPath: folder + "/env") {
            guard holder.process.isRunning else {
                end()
                throw await AuthoritiesError(outcome: holder.end())
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Stops them and the sandboxes in their folder, and removes the folder.
    func end() {
        try? input.close()
        _ = holder.process.statusAtEnd()
        Self.pool.withLock { _ = $0.running.removeValue(forKey: ObjectIdentifier(self)) }
    }

    /// A folder for another sandbox.
    func nextFolder() -> String { "\(folder)/\(sandboxes.add(1, ordering: .relaxed).newValue)" }

    /// The size of the log of the open CA.
    var logSize: UInt64 {
        let attributes = try? FileManager.default.attributesOfItem(atPath: folder + "/log/pebble.log")
        return attributes?[.size] as? UInt64 ?? 0
    }

    /// What the open CA has logged.
    func log(from offset: UInt64) throws -> String {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: folder + "/log/pebble.log"))
        defer { try? file.close() }
        try file.seek(toOffset: offset)
        return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    }
}

struct AuthoritiesError: Error {
    var outcome: Outcome
}

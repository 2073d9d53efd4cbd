import ACME
import DurableFile
import Glibc
import StrictJSON
import Synchronization

/// When each step of an issuance began and ended, to show what took the time. Written by `--timings FILE`.
final class Timings: Sendable {
    /// What a step waits for.
    enum Party: String, Sendable {
        case agent
        /// The CA, and the network on the way to it.
        case ca = "CA"
        /// The store and its disk.
        case store
        /// A challenge's answer: presented, fetched, removed.
        case challenge
        /// Waiting until the next poll is due.
        case pause
    }

    /// One step.
    struct Step: Sendable {
        var party: Party
        var name: String
        /// CLOCK_MONOTONIC, nanoseconds.
        var began: UInt64
        var ended: UInt64
    }

    private let began = Timings.now()
    private let steps = Mutex<[Step]>([])

    func measure<Result, Failure: Error>(
        _ party: Party, _ name: String, _ work: () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let began = Timings.now()
        defer { note(party, name, began) }
        return try await work()
    }

    private func note(_ party: Party, _ name: String, _ began: UInt64) {
        let step = Step(party: party, name: name, began: began, ended: Timings.now())
        steps.withLock { $0.append(step) }
    }

    /// One JSON object: `began` and `ended` of the command (CLOCK_MONOTONIC, nanoseconds), and its steps in order of
    /// their start.
    func json() -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 8_192)
        json.beginObject()
        json.member("began", Int64(began))
        json.member("ended", Int64(Timings.now()))
        json.name("steps")
        json.beginArray()
        for step in steps.withLock({ $0 }).sorted(by: { $0.began < $1.began }) {
            json.beginObject()
            json.member("party", step.party.rawValue)
            json.member("name", step.name)
            json.member("began", Int64(step.began))
            json.member("ended", Int64(step.ended))
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes + [0x0A]
    }

    /// Refuses a file that cannot be written, before any work is done.
    static func check(_ path: String) throws(Failure) {
        func refuse(_ number: Int32) -> Failure {
            .usage(
                "--timings \"\(TerminalText.safe(path, limit: 300))\" cannot be written: \(String(cString: strerror(number)))",
                hint: "name a file in a folder that this user may write")
        }
        var status = stat()
        if stat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { throw refuse(EISDIR) }
            // Devices and FIFOs are written to; a regular file is replaced.
            if status.st_mode & S_IFMT != S_IFREG { return }
        }
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        guard access(folder, W_OK | X_OK) == 0 else { throw refuse(errno) }
    }

    /// - Throws: `FileError`.
    func write(to path: String) throws(FileError) { try DurableFile.write(json(), toNamed: path, mode: 0o644) }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

import Glibc
import NIOPosix

/// Sees by inotify when the web server opens challenge files, so that the CA is asked for the result when there is one. Where there is
/// no inotify, or the server keeps files open, the caller polls as it would without.
final class ChallengeFolderWatch: Sendable {
    private let descriptor: Int32

    init?(_ folder: ChallengeFolder) {
        descriptor = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        guard inotify_add_watch(descriptor, folder.kernelPath, UInt32(IN_CLOSE_NOWRITE)) >= 0 else { return nil }
    }

    deinit {
        guard descriptor >= 0 else { return }
        // Closing it takes the kernel 10 to 20 ms, for which no issuance has to wait.
        NIOThreadPool.singleton.submit { [descriptor] _ in close(descriptor) }
    }

    /// Returns when each file was read and nobody has read one for a moment.
    func waitForLooks(at names: Set<String>, quiet: Duration, limit: Duration) async -> Bool {
        let flag = CancellationFlag()
        return await withTaskCancellationHandler {
            (try? await NIOThreadPool.singleton.runIfActive { self.watch(names, quiet, limit, flag) }) ?? false
        } onCancel: {
            flag.set()
        }
    }

    private func watch(_ names: Set<String>, _ quiet: Duration, _ limit: Duration, _ flag: CancellationFlag) -> Bool {
        let end = ContinuousClock.now + limit
        var missing = names
        while !flag.isSet, ContinuousClock.now < end {
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            // Short where only quiet is waited for; otherwise long enough to notice a cancellation.
            let quiet = Int32(max(1, min(1_000, (quiet / .milliseconds(1)).rounded())))
            let ready = poll(&poller, 1, missing.isEmpty ? quiet : 100)
            if ready == 0, missing.isEmpty { return true }
            if ready > 0 { missing.subtract(seen()) }
        }
        return false
    }

    private func seen() -> [String] {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return [] }
        let header = MemoryLayout<inotify_event>.size
        var names: [String] = []
        var at = 0
        while at + header <= count {
            let length = buffer.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: at + 12, as: UInt32.self)) }
            guard at + header + length <= count else { break }
            names.append(String(decoding: buffer[(at + header)..<(at + header + length)].prefix { $0 != 0 }, as: UTF8.self))
            at += header + length
        }
        return names
    }
}

import Glibc
import NIOPosix

/// Watches with inotify for the web server reading challenge files, so that the order is polled when there is a result.
/// Without inotify, or if the server keeps files open, the caller polls as usual.
final class ChallengeFolderWatch: Sendable {
    private let descriptor: Int32

    init?(_ folder: ChallengeFolder) {
        descriptor = inotify_init1(Int32(O_NONBLOCK | O_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        guard inotify_add_watch(descriptor, folder.kernelPath, UInt32(IN_CLOSE_NOWRITE)) >= 0 else { return nil }
    }

    deinit {
        guard descriptor >= 0 else { return }
        // Closing takes the kernel 10 to 20 ms; the issuance does not wait for it.
        NIOThreadPool.singleton.submit { [descriptor] _ in close(descriptor) }
    }

    /// Returns when each file was read and none has been read for `quiet`.
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
            // Short if only the quiet period is left; otherwise short enough to notice a cancellation.
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

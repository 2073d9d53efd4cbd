import Glibc

/// Wakes the thread of the control link, which waits for requests, from another thread.
final class Alarm: Sendable {
    /// Readable while the alarm rings; -1, which `poll` ignores, if the system has no pipe left.
    let descriptor: Int32
    private let bell: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        if pipe(&ends) == 0 {
            for end in ends {
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
            }
        }
        descriptor = ends[0]
        bell = ends[1]
    }

    deinit {
        close(descriptor)
        close(bell)
    }

    func ring() {
        // A full pipe rings already.
        var byte: UInt8 = 1
        _ = write(bell, &byte, 1)
    }

    func silence() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(descriptor, &bytes, bytes.count) > 0 {}
    }
}

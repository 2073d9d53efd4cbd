import Foundation

extension Process {
    /// Waits until the process has ended. Foundation's `waitUntilExit` does the same, but takes a whole CPU for it on a
    /// thread whose run loop has nothing to do.
    public func waitAsleep() {
        while isRunning { usleep(1_000) }
    }
}

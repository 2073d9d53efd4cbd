import Foundation

extension Process {
    /// Starts it. The files for its output are then open in the new process alone: Foundation would keep them open here
    /// too, as long as it keeps the `Process`.
    public func runAlone() throws {
        try run()
        for case let file as FileHandle in [standardOutput, standardError] where file !== FileHandle.nullDevice { try? file.close() }
    }

    /// Waits until the process has ended. Foundation's `waitUntilExit` does the same, but takes a whole CPU for it on a
    /// thread whose run loop has nothing to do.
    public func waitAsleep() {
        while isRunning { usleep(1_000) }
    }
}

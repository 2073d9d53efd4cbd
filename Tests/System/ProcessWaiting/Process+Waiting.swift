import Foundation

extension Process {
    /// Starts it. The files for its output are then open in the new process alone: Foundation would keep them open here
    /// too, as long as it keeps the `Process`.
    public func runAlone() throws {
        // The threads of Dispatch block all signals, and a process begins with the mask of the thread that starts it: it
        // could not be told to end.
        var none = sigset_t(), own = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &own)
        defer { pthread_sigmask(SIG_SETMASK, &own, nil) }
        try run()
        for case let file as FileHandle in [standardOutput, standardError] where file !== FileHandle.nullDevice { try? file.close() }
    }

    /// Waits until the process has ended. Foundation's `waitUntilExit` does the same, but takes a whole CPU for it on a
    /// thread whose run loop has nothing to do.
    public func waitAsleep() {
        while isRunning { usleep(1_000) }
    }
}

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

    /// Waits until the process has ended, and returns its exit status or the signal that ended it. Foundation need not
    /// have noticed: it does so only when also no process that was started at the same moment, and inherited a socket of
    /// Foundation's, has it any more.
    public func statusAtEnd() -> Int32 {
        var information = siginfo_t()
        repeat {
            if waitid(P_PID, id_t(processIdentifier), &information, WEXITED | WNOWAIT) == 0 {
                return information._sifields._sigchld.si_status
            }
        } while errno == EINTR
        // Foundation has taken the status.
        while isRunning { usleep(500) }
        return terminationStatus
    }

    /// Waits until the process has ended. Foundation's `waitUntilExit` does the same, but takes a whole CPU for it on a
    /// thread whose run loop has nothing to do.
    public func waitAsleep() {
        guard isRunning else { return }
        // The kernel says when it has ended, to whoever asks; Foundation, which takes the status, notices it soon after.
        var information = siginfo_t()
        while waitid(P_PID, id_t(processIdentifier), &information, WEXITED | WNOWAIT) == -1, errno == EINTR {}
        while isRunning { usleep(500) }
    }
}

import ACME
import Glibc
import NIOCore

/// Tells the service manager that the event loop runs (`WATCHDOG=1`), and in one line what state the daemon is in
/// (`STATUS=`).
///
/// Confined to one event loop, on purpose: a loop that hangs tells nothing, and the manager restarts the daemon. No other
/// thread may do this instead.
final class ServiceReport {
    /// Unicode scalars of the line. systemd reads at most 4,096 bytes of a message.
    private static let limit = 400
    /// When a line is sent again for which the manager's socket had no room.
    private static let pause = TimeAmount.seconds(1)

    private let manager: ServiceManager
    private let eventLoop: any EventLoop
    /// The state of the daemon, as a sentence.
    var line: () -> String = { "" }
    private var shown: String?
    private var next: Scheduled<Void>?
    private var again: Scheduled<Void>?
    private var isRunning = false
    private var isChanged = false

    init(manager: ServiceManager, eventLoop: any EventLoop) {
        self.manager = manager
        self.eventLoop = eventLoop
    }

    func start() {
        isRunning = manager.socket != nil
        guard isRunning, let time = manager.watchdog else { return }
        // Half of the time is systemd's advice: one message may then be late.
        pat(.nanoseconds(max(1, time.nanoseconds / 2)), retry: .nanoseconds(max(1, time.nanoseconds / 10)))
    }

    private func pat(_ pace: TimeAmount, retry: TimeAmount) {
        guard isRunning else { return }
        let code = manager.notify("WATCHDOG=1", waits: false)
        next = eventLoop.assumeIsolated().scheduleTask(in: code == EAGAIN ? retry : pace) { self.pat(pace, retry: retry) }
    }

    /// Something that the line is about may have changed. Changes that come together are shown together.
    func changed() {
        guard isRunning, !isChanged else { return }
        isChanged = true
        eventLoop.assumeIsolated().execute {
            guard self.isChanged else { return }
            self.show()
        }
    }

    /// Shows the line now, if it is another one.
    func show() {
        isChanged = false
        guard isRunning else { return }
        let text = TerminalText.safe(line(), limit: ServiceReport.limit)
        guard text != shown else { return }
        guard manager.notify("STATUS=\(text)", waits: false) == EAGAIN else {
            shown = text
            return
        }
        again?.cancel()
        again = eventLoop.assumeIsolated().scheduleTask(in: ServiceReport.pause) { self.show() }
    }

    /// From now on nothing is sent.
    func stop() {
        isRunning = false
        next?.cancel()
        again?.cancel()
    }
}

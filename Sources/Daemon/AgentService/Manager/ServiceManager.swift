import CLinux
import Glibc
import NIOCore

/// systemd, or whatever else has started the daemon and listens on `NOTIFY_SOCKET` (sd_notify(3)).
struct ServiceManager: Sendable {
    /// The path of its socket; an abstract name begins with `@`.
    let socket: String?
    /// Within this time it expects to hear again that the daemon works (sd_watchdog_enabled(3)).
    let watchdog: TimeAmount?

    static let none = ServiceManager(socket: nil, watchdog: nil)

    init(socket: String?, watchdog: TimeAmount?) {
        self.socket = socket
        self.watchdog = watchdog
    }

    /// What the environment says.
    static func fromEnvironment(_ variable: (String) -> String? = { getenv($0).map { String(cString: $0) } }) -> ServiceManager {
        guard let socket = variable("NOTIFY_SOCKET"), !socket.isEmpty else { return none }
        return ServiceManager(socket: socket, watchdog: watchdog(variable))
    }

    private static func watchdog(_ variable: (String) -> String?) -> TimeAmount? {
        // Meant for another process if the number differs, for example for the one that started this one.
        if let process = variable("WATCHDOG_PID"), Int32(process) != getpid() { return nil }
        guard let text = variable("WATCHDOG_USEC"), let time = Int64(text), time > 0, time <= Int64.max / 1_000 else { return nil }
        return .microseconds(time)
    }

    /// Sends one message.
    /// - Parameter waits: Whether to wait while the socket accepts no more. The event loop must not.
    /// - Returns: 0 or `errno`; 0 without a manager.
    @discardableResult
    func notify(_ state: String, waits: Bool = true) -> CInt {
        guard let socket else { return 0 }
        let bytes = Array(state.utf8)
        return clinux_send_datagram(socket, bytes, bytes.count, waits)
    }
}

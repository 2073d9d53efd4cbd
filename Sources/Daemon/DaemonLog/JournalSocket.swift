import CLinux
import Glibc

/// The socket on which systemd's journal takes entries with fields of their own, in its native protocol
/// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL).
public struct JournalSocket: Sendable {
    public static let defaultPath = "/run/systemd/journal/socket"

    let path: String

    init(path: String) { self.path = path }

    /// The journal's socket, if lines on a descriptor end up in the journal anyway: systemd says which stream leads
    /// there (`JOURNAL_STREAM`, systemd.exec(5)). `nil` if it is another one, such as a terminal or a file to which a
    /// service redirects its output.
    /// - Parameter variable: Reads the environment.
    public static func behind(
        _ descriptor: CInt = STDERR_FILENO, path: String = JournalSocket.defaultPath,
        variable: (String) -> String? = { getenv($0).map { String(cString: $0) } }
    ) -> JournalSocket? {
        guard let stream = variable("JOURNAL_STREAM"), clinux_is_stream(descriptor, stream) else { return nil }
        return JournalSocket(path: path)
    }

    /// Sends one entry. Does not wait.
    /// - Returns: 0 or `errno`: `EAGAIN` if the journal has no room now, `EMSGSIZE` if the entry is too large.
    func send(_ entry: [UInt8]) -> CInt { clinux_send_datagram(path, entry, entry.count, false) }
}

import CMeasurement
import Glibc

/// Calls of one kind, as many as go, over several connections of two users. One that the daemon closes is made again.
final class Flood {
    enum Kind: String, CaseIterable {
        /// As long as a message may be, or longer.
        case large
        /// No JSON, or none that the reader takes.
        case invalid
        /// For a key of another user.
        case refused
        /// Calls with long replies that nobody reads.
        case unread
    }

    /// Where all callers run: what they take of the CPUs is not the daemon's time.
    static let processor: Int32 = 0

    let kind: Kind
    private let path: String
    private let users: [uid_t]
    private let messages: [[UInt8]]
    private(set) var sent = 0
    private(set) var replies = 0
    private(set) var closed = 0

    private struct Caller {
        var descriptor: Int32
        var user: uid_t
        var message: Int
        /// Bytes of the message that were sent.
        var offset = 0
    }

    init(kind: Kind, path: String, users: [uid_t], messages: [[UInt8]]) {
        self.kind = kind
        self.path = path
        self.users = users
        self.messages = messages
    }

    func run(seconds: Double) throws -> Outcome {
        _ = cmeasurement_pin(0, Flood.processor)
        var callers: [Caller] = []
        defer { for caller in callers { close(caller.descriptor) } }
        for number in 0..<HostileCallers.Size.flood {
            let user = users[number % users.count]
            callers.append(Caller(descriptor: try HostileCallers.connect(path, as: user), user: user, message: number))
        }
        let start = Clock.seconds()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while Clock.seconds() - start < seconds {
            var isMoving = false
            for place in callers.indices {
                if try move(&callers[place], &buffer) { isMoving = true }
            }
            if !isMoving { usleep(500) }
        }
        var outcome = Outcome()
        outcome.calls = sent
        outcome.seconds = Clock.seconds() - start
        return outcome
    }

    /// Sends what is taken, and reads what is there.
    /// - Returns: Whether there was anything.
    private func move(_ caller: inout Caller, _ buffer: inout [UInt8]) throws -> Bool {
        let message = messages[caller.message % messages.count]
        let count = message[caller.offset...].withUnsafeBytes {
            send(caller.descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
        }
        if count < 0, errno != EAGAIN, errno != EINTR { return try connectAgain(&caller) }
        if count > 0 {
            caller.offset += count
            if caller.offset == message.count {
                sent += 1
                caller.message += 1
                caller.offset = 0
            }
        }
        guard kind != .unread else { return count > 0 }
        let read = recv(caller.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if read == 0 || (read < 0 && errno != EAGAIN && errno != EINTR) { return try connectAgain(&caller) }
        if read > 0 { replies += buffer[..<read].count { $0 == 0 } }
        return count > 0 || read > 0
    }

    private func connectAgain(_ caller: inout Caller) throws -> Bool {
        closed += 1
        close(caller.descriptor)
        // A descriptor that is closed twice may be another's.
        caller.descriptor = -1
        caller.descriptor = try HostileCallers.connect(path, as: caller.user)
        caller.offset = 0
        caller.message += 1
        return true
    }
}

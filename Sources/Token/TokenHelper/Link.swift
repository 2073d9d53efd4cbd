import Glibc

/// One end of a socket pair, with blocking reads and writes. For one thread.
struct Link: ~Copyable {
    private let descriptor: Int32
    private let buffer: UnsafeMutableRawBufferPointer

    init(descriptor: Int32) {
        self.descriptor = descriptor
        buffer = .allocate(byteCount: Self.readSize, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// Waits for bytes and hands them to `body`. False at the end of the link.
    func read(_ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        while true {
            let got = Glibc.recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if got > 0 {
                body(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
                return true
            }
            if got < 0, errno == EINTR { continue }
            return false
        }
    }

    enum Awakening { case input, alarm, idleness }

    /// Waits until something can be read or the link has ended, the alarm rings, or `milliseconds` have passed.
    func wait(milliseconds: Int32, alarm: borrowing Alarm) -> Awakening {
        var entries = [descriptor, alarm.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while true {
            let ready = poll(&entries, 2, milliseconds)
            if ready < 0, errno == EINTR { continue }
            if ready == 0 { return .idleness }
            return entries[0].revents != 0 ? .input : .alarm
        }
    }

    /// Whether something can be read or the link has ended.
    var hasInput: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// Writes all of `bytes`. False if the other end is gone.
    func write(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var sent = 0
            while sent < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
                let count = Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
    }

    /// Holds many requests for a signature, or most of an Ed25519 message.
    private static let readSize = 64 * 1024
}

import ACME
import Glibc
import JOSE
import StrictJSON
import Synchronization

/// The reader of standard output has closed it.
struct OutputClosed: Error {}

/// Prints results to standard output, as text or as one JSON object, and everything else to standard error.
struct Output: Sendable {
    enum Verbosity: Sendable, Comparable { case quiet, normal, verbose }

    let isJSON: Bool
    let verbosity: Verbosity
    /// What the command line names: commands in hints must name it, too.
    var given = GivenOptions()

    init(json: Bool, verbosity: Verbosity) {
        isJSON = json
        self.verbosity = verbosity
    }

    // MARK: Results

    /// Prints a result: with `--json` the object, otherwise the text.
    /// - Parameters:
    ///   - text: lines, safe for a terminal.
    ///   - json: writes the object's members.
    func result(_ text: @autoclosure () -> String, json: (inout JSONWriter) -> Void) throws {
        if isJSON {
            try write(Output.line(json))
        } else {
            let text = text()
            if !text.isEmpty { try write(Array((text.hasSuffix("\n") ? text : text + "\n").utf8)) }
        }
    }

    /// An object on a line of its own.
    private static func line(_ members: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 1024)
        writer.beginObject()
        members(&writer)
        writer.endObject()
        return withoutControls(writer.bytes) + [0x0A]
    }

    /// Whether anything was written to standard output. Locked for good when the program ends.
    private static let hasBegun = Mutex(false)

    /// Prints bytes unchanged.
    /// - Throws: `OutputClosed` if the reader has closed the pipe; `Failure` for any other error, since the result is
    ///   incomplete.
    func write(_ bytes: [UInt8]) throws {
        Output.hasBegun.withLock { $0 = true }
        switch Output.write(bytes, to: STDOUT_FILENO) {
        case 0: return
        case EPIPE: throw OutputClosed()
        case let number: throw Failure.output(number)
        }
    }

    /// JSON without characters that a terminal would interpret or show in reverse. They occur only in strings, where an
    /// escape means the same (RFC 8259 §7).
    static func withoutControls(_ json: [UInt8]) -> [UInt8] {
        guard json.contains(where: { $0 >= 0x7F }) else { return json }
        var safe: [UInt8] = []
        safe.reserveCapacity(json.count)
        for scalar in String(decoding: json, as: UTF8.self).unicodeScalars {
            if TerminalText.isSafe(scalar) {
                safe += UTF8.encode(scalar).map { Array($0) } ?? []
            } else {
                for unit in String(scalar).utf16 {
                    safe += Array("\\u\(Hexadecimal.encode([UInt8(unit >> 8), UInt8(unit & 0xFF)]))".utf8)
                }
            }
        }
        return safe
    }

    // MARK: Standard error

    /// Prints progress for a person.
    func note(_ text: @autoclosure () -> String) {
        if verbosity >= .normal { Output.write(given.named(given.added(to: text())) + "\n", to: STDERR_FILENO) }
    }

    /// Prints a line with `--verbose` only.
    func detail(_ text: @autoclosure () -> String) {
        if verbosity >= .verbose { Output.write(text() + "\n", to: STDERR_FILENO) }
    }

    /// Prints a problem that is not an error, even with `--quiet`.
    func warning(_ text: String, hint: String? = nil) {
        Output.write("acme-agent: warning: \(given.named(text))\n", to: STDERR_FILENO)
        if let hint { Output.write("acme-agent: hint: \(given.named(given.added(to: hint)))\n", to: STDERR_FILENO) }
    }

    /// Reports the failure of a command: on standard error, and with `--json` also as the object on standard output.
    func report(_ failure: Failure, json: Bool = true) {
        let failure = failure.with(given)
        Output.write(failure.lines.joined(separator: "\n") + "\n", to: STDERR_FILENO)
        guard isJSON, json else { return }
        try? result("") { json in
            json.name("error")
            failure.write(to: &json)
        }
    }

    /// Reports what ends the program now, and ends it with the failure's exit status, whatever the command is doing on
    /// other threads. After a first result, such as those of `--follow` and `--watch`, the exit status alone says it: no
    /// object may follow a part of another.
    func end(with failure: Failure) {
        Output.hasBegun.withLock { hasBegun in
            if !hasBegun {
                let failure = failure.with(given)
                Output.write(failure.lines.joined(separator: "\n") + "\n", to: STDERR_FILENO)
                if isJSON {
                    let line = Output.line { json in
                        json.name("error")
                        failure.write(to: &json)
                    }
                    Output.write(line, to: STDOUT_FILENO)
                }
            }
            _exit(failure.exitStatus.rawValue)
        }
    }

    /// Reports the failure of one of several items; the others continue.
    func reportPart(_ failure: Failure, of name: String) {
        var failure = failure
        failure.message = "\(name): \(failure.message)"
        report(failure, json: false)
    }

    // MARK: Descriptors

    /// Whether a path names the file that a descriptor has open.
    static func leads(_ path: String, to descriptor: Int32) -> Bool {
        var named = stat(), opened = stat()
        guard stat(path, &named) == 0, fstat(descriptor, &opened) == 0 else { return false }
        return named.st_dev == opened.st_dev && named.st_ino == opened.st_ino
    }

    static var isStandardOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    static var isStandardErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    static var isStandardInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    @discardableResult static func write(_ text: String, to descriptor: Int32) -> Int32 { write(Array(text.utf8), to: descriptor) }

    /// Writes everything.
    /// - Returns: 0, or the error number of the call that failed.
    @discardableResult static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                Glibc.poll(&poll, 1, -1)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }

    /// Opens standard descriptors that the parent process closed: otherwise a file or connection would get such a
    /// number and output would be written into it. Standard output stays unusable, so that printing a result fails.
    static func occupyStandardDescriptors() {
        for (descriptor, mode) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDWR)]
        where fcntl(descriptor, F_GETFD) < 0 {
            // open returns the lowest free number, which is this one.
            _ = open("/dev/null", mode)
        }
    }
}

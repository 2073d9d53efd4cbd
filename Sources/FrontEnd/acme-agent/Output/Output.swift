import ACME
import Glibc
import StrictJSON
import Synchronization

/// Standard output has closed: nobody reads any more.
struct OutputClosed: Error {}

/// Where results and progress go: results to standard output, as text or as one JSON object; everything else to standard error.
struct Output: Sendable {
    enum Verbosity: Sendable, Comparable { case quiet, normal, verbose }

    let isJSON: Bool
    let verbosity: Verbosity

    init(json: Bool, verbosity: Verbosity) {
        isJSON = json
        self.verbosity = verbosity
    }

    init(_ options: GlobalOptions) {
        self.init(json: options.json, verbosity: options.quiet ? .quiet : options.verbose ? .verbose : .normal)
    }

    // MARK: Results

    /// Prints a result: with `--json` the object, otherwise the text.
    /// - Parameters:
    ///   - text: lines, safe for a terminal.
    ///   - json: writes the members of the one object.
    func result(_ text: @autoclosure () -> String, json: (inout JSONWriter) -> Void) throws {
        if isJSON {
            var writer = JSONWriter(reservingCapacity: 1024)
            writer.beginObject()
            json(&writer)
            writer.endObject()
            try write(writer.bytes + [0x0A])
        } else {
            let text = text()
            if !text.isEmpty { try write(Array((text.hasSuffix("\n") ? text : text + "\n").utf8)) }
        }
    }

    /// Prints bytes as they are.
    /// - Throws: `OutputClosed`.
    func write(_ bytes: [UInt8]) throws {
        guard Output.write(bytes, to: STDOUT_FILENO) else { throw OutputClosed() }
    }

    // MARK: Standard error

    /// What a person wants to know while it happens.
    func note(_ text: @autoclosure () -> String) {
        if verbosity >= .normal { Output.write(text() + "\n", to: STDERR_FILENO) }
    }

    /// What only `--verbose` shows.
    func detail(_ text: @autoclosure () -> String) {
        if verbosity >= .verbose { Output.write(text() + "\n", to: STDERR_FILENO) }
    }

    /// What went not as it should, but is no error; shown by `--quiet` too.
    func warning(_ text: String, hint: String? = nil) {
        Output.write("acme-agent: warning: \(text)\n", to: STDERR_FILENO)
        if let hint { Output.write("acme-agent: hint: \(hint)\n", to: STDERR_FILENO) }
    }

    /// The end of a command that failed: for a person on standard error, with `--json` also as the one object on standard output.
    func report(_ failure: Failure, json: Bool = true) {
        Output.write(failure.lines.joined(separator: "\n") + "\n", to: STDERR_FILENO)
        guard isJSON, json else { return }
        try? result("") { json in
            json.name("error")
            failure.write(to: &json)
        }
    }

    /// The failure of one of several things; the rest goes on.
    func reportPart(_ failure: Failure, of name: String) {
        var failure = failure
        failure.message = "\(name): \(failure.message)"
        report(failure, json: false)
    }

    // MARK: Descriptors

    static var isStandardOutputTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
    static var isStandardErrorTerminal: Bool { isatty(STDERR_FILENO) == 1 }
    static var isStandardInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    @discardableResult static func write(_ text: String, to descriptor: Int32) -> Bool { write(Array(text.utf8), to: descriptor) }

    /// Writes everything, or gives up where nobody reads.
    @discardableResult static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                Glibc.poll(&poll, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}

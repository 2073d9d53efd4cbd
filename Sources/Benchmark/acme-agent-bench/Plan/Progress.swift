import Glibc

/// What the run is at, on standard error: a line that is written over on a terminal, a line for each step elsewhere.
final class Progress {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var isShown = false

    /// A step, until the next one.
    func show(_ step: String) {
        if isTerminal { write("\r\u{1B}[Kbench: \(step)") } else { write("bench: \(step)\n") }
        isShown = isTerminal
    }

    /// Something that stays.
    func say(_ text: String) {
        write((isShown ? "\r\u{1B}[K" : "") + "bench: \(text)\n")
        isShown = false
    }

    private func write(_ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

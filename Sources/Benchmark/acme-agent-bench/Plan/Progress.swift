import Glibc

/// Shows the run's progress on standard error: on a terminal, one line that is overwritten; elsewhere, one line per
/// step.
final class Progress {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var isShown = false

    /// Shows a step until the next one.
    func show(_ step: String) {
        if isTerminal { write("\r\u{1B}[Kbench: \(step)") } else { write("bench: \(step)\n") }
        isShown = isTerminal
    }

    /// Prints a line that stays.
    func say(_ text: String) {
        write((isShown ? "\r\u{1B}[K" : "") + "bench: \(text)\n")
        isShown = false
    }

    private func write(_ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

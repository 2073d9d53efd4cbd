import Glibc
import Issuance
import Synchronization

/// Shows a running issuance on standard error: on a terminal as a block of identifiers that is redrawn, elsewhere as
/// plain lines. Every wait over a second is named.
final class ProgressDisplay: Sendable {
    /// The most identifiers that are drawn; a screen has 24 lines.
    private static let maximumRows = 12
    /// Seconds between two plain lines about one wait.
    private static let plainInterval = 10

    private struct State {
        var model: ProgressModel
        var drawnLines = 0
        var ticker: Task<Void, Never>?
        /// The time of the last event in seconds of the monotonic clock.
        var lastEvent: Int
        var lastNotice: Int
    }

    private let state: Mutex<State>
    private let output: Output
    private let isLive: Bool

    init(_ output: Output) {
        self.output = output
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        isLive = output.verbosity == .normal && Output.isStandardErrorTerminal && !isDumb
        let now = ProgressDisplay.seconds
        state = Mutex(State(model: ProgressModel(isVerbose: output.verbosity == .verbose), lastEvent: now, lastNotice: now))
    }

    /// The flow's observer.
    var observer: IssuanceObserver { { [weak self] event in self?.show(event) } }

    func show(_ event: IssuanceEvent) {
        switch event {
        case .installed(let stored): output.record(SystemJournal.Event(installed: stored))
        case .deployed(let name): output.record(SystemJournal.Event(.deployed, name))
        default: break
        }
        state.withLock { state in
            let lines = state.model.apply(event)
            state.lastEvent = ProgressDisplay.seconds
            state.lastNotice = state.lastEvent
            draw(output.verbosity == .quiet ? lines.filter { $0.kind == .warning } : lines, &state)
            if state.ticker == nil, output.verbosity > .quiet {
                state.ticker = Task { [weak self] in
                    while !Task.isCancelled {
                        try? await Task.sleep(for: .seconds(1))
                        guard !Task.isCancelled, let self else { return }
                        self.tick()
                    }
                }
            }
        }
    }

    /// Removes the block, and forgets what it was about. Must be called when the work is over, however it ended: a process
    /// that keeps running has one after another.
    func finish(summary: Bool) {
        state.withLock { state in
            state.ticker?.cancel()
            state.ticker = nil
            erase(&state)
            if summary, output.verbosity > .quiet { Output.write(state.model.summary.map { $0 + "\n" }.joined(), to: STDERR_FILENO) }
            state.model = ProgressModel(isVerbose: output.verbosity == .verbose)
        }
    }

    /// How many names it remembers.
    var nameCount: Int { state.withLock { $0.model.entries.count } }

    /// Removes the block for a moment, so that something else can be printed.
    func erase() { state.withLock { erase(&$0) } }

    private func tick() {
        state.withLock { state in
            // The work is over.
            guard state.ticker != nil else { return }
            let now = ProgressDisplay.seconds
            if isLive {
                draw([], &state)
            } else if let reason = state.model.waitsFor {
                let since = now &- state.lastEvent
                let isFirst = state.lastNotice == state.lastEvent && since >= 2
                guard isFirst || now &- state.lastNotice >= ProgressDisplay.plainInterval else { return }
                state.lastNotice = now
                Output.write(
                    "waiting for \(output.given.named(reason)), \(Wording.duration(seconds: Int64(since))) so far\n", to: STDERR_FILENO)
            }
        }
    }

    // MARK: Drawing

    private func draw(_ lines: [ProgressModel.Line], _ state: inout State) {
        guard isLive else {
            if !lines.isEmpty { Output.write(lines.map { output.given.named($0.text) + "\n" }.joined(), to: STDERR_FILENO) }
            return
        }
        erase(&state)
        // The identifier's row already shows its steps.
        var text = lines.filter { $0.kind != .step }.map { $0.text + "\n" }.joined()
        let width = ProgressDisplay.columns
        let open = state.model.entries.filter { !$0.isDone }
        var rows = open.prefix(ProgressDisplay.maximumRows).map { "  \($0.identifier): \($0.state)" }
        if open.count > rows.count { rows.append("  and \(open.count - rows.count) more") }
        let since = ProgressDisplay.seconds &- state.lastEvent
        if since >= 1, let reason = state.model.waitsFor {
            rows.append("waiting for \(reason), \(Wording.duration(seconds: Int64(since)))")
        }
        rows = rows.map { String($0.prefix(width)) }
        text += rows.map { $0 + "\n" }.joined()
        state.drawnLines = rows.count
        Output.write(text, to: STDERR_FILENO)
    }

    /// Moves to the block's first line and clears everything below.
    private func erase(_ state: inout State) {
        guard state.drawnLines > 0 else { return }
        Output.write("\u{1B}[\(state.drawnLines)A\r\u{1B}[J", to: STDERR_FILENO)
        state.drawnLines = 0
    }

    private static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 10 else { return 79 }
        return Int(size.ws_col) - 1
    }

    private static var seconds: Int {
        var moment = timespec()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        return moment.tv_sec
    }
}

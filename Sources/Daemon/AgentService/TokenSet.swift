import DaemonLog
import NIOCore
import TokenProtocol
import TokenSupervisor

/// The tokens of the configuration in force. A token whose settings change is closed and reopened; the others do not
/// notice.
///
/// Confined to one event loop.
final class TokenSet {
    /// How long a closing token may take to answer its requests: by default, the longest that a caller waits for a
    /// signature.
    private static let drainTime = TimeAmount.seconds(10)

    /// In the order of the configuration; keys are made in the first one by default.
    private(set) var names: [String]
    private var supervisors: [String: TokenSupervisor] = [:]
    private var settings: [String: TokenConfiguration] = [:]
    /// Supervisors that are closing. A new helper for the same token starts only after the old one has ended, since the
    /// token may allow only one of them a session.
    private var closing: [String: EventLoopFuture<Void>] = [:]
    private let launcher: any HelperLauncher
    private let eventLoop: any EventLoop
    private let metrics: ServiceMetrics
    private let logger: DaemonLogger
    private var isStarted = false
    /// Called for each token that becomes ready.
    var onReady: ((String, TokenSupervisor) -> Void)?
    /// Called when a token's state has changed.
    var onChange: (() -> Void)?

    init(
        _ tokens: [TokenConfiguration], launcher: any HelperLauncher, eventLoop: any EventLoop, metrics: ServiceMetrics,
        logger: DaemonLogger
    ) {
        names = tokens.map(\.name)
        self.launcher = launcher
        self.eventLoop = eventLoop
        self.metrics = metrics
        self.logger = logger
        for token in tokens { add(token) }
    }

    subscript(name: String) -> TokenSupervisor? { supervisors[name] }
    var defaultName: String { names.first ?? "" }

    /// Succeeds as soon as the state of each token is known.
    func start() -> EventLoopFuture<Void> {
        isStarted = true
        return EventLoopFuture.andAllSucceed(supervisors.values.map { $0.start() }, on: eventLoop)
    }

    /// Stops every helper.
    func stop() -> EventLoopFuture<Void> {
        isStarted = false
        return EventLoopFuture.andAllComplete(supervisors.values.map { $0.stop() } + Array(closing.values), on: eventLoop)
    }

    /// Switches to the tokens of another configuration.
    func change(to tokens: [TokenConfiguration]) {
        let new = Dictionary(tokens.map { ($0.name, $0) }) { first, _ in first }
        for name in names where new[name] != settings[name] { close(name, isGone: new[name] == nil) }
        for token in tokens where settings[token.name] == nil {
            add(token)
            open(token.name)
        }
        names = tokens.map(\.name)
        for supervisor in supervisors.values { supervisor.lookAtPINFile() }
    }

    private func add(_ token: TokenConfiguration) {
        let supervisor = TokenSupervisor(configuration: token, launcher: launcher, eventLoop: eventLoop, logger: logger)
        supervisors[token.name] = supervisor
        settings[token.name] = token
        watch(supervisor, name: token.name)
    }

    /// Requests that come while the old helper ends wait for the new one.
    private func open(_ name: String) {
        guard let supervisor = supervisors[name] else { return }
        let former = closing[name] ?? eventLoop.makeSucceededVoidFuture()
        former.assumeIsolated().whenComplete { _ in
            guard self.isStarted, self.supervisors[name] === supervisor else { return }
            supervisor.start().whenFailure { _ in }
        }
    }

    private func close(_ name: String, isGone: Bool) {
        guard let supervisor = supervisors.removeValue(forKey: name) else { return }
        settings[name] = nil
        if isGone {
            logger.log(.tokenRemoved, "a token is no longer configured and is closed", [.token: name])
        } else {
            logger.log(.tokenReopened, "a token's settings have changed; it is reopened", [.token: name])
        }
        supervisor.onStateChange = nil
        let failure = TokenFailure(
            .stopped,
            message: isGone ? "the token is no longer configured" : "the token was closed, because its settings were changed",
            hint: isGone ? nil : "try again")
        let before = closing[name] ?? eventLoop.makeSucceededVoidFuture()
        let end = EventLoopFuture.andAllComplete([before, supervisor.retire(within: TokenSet.drainTime, failure)], on: eventLoop)
        closing[name] = end
        end.assumeIsolated().whenComplete { _ in
            // Another supervisor may be closing under this name by now.
            if let last = self.closing[name], last === end { self.closing[name] = nil }
        }
    }

    private func watch(_ supervisor: TokenSupervisor, name: String) {
        supervisor.onStateChange = { [logger, metrics, unowned self, unowned supervisor] state in
            if case .ready = state { metrics.loggedIn(name) }
            switch state {
            case .ready(let information) where information.pinFault != nil:
                logger.log(
                    .tokenLoginAtRisk, "a token's next login will fail",
                    [.token: name, .why: information.pinFault?.forLog ?? "", .hint: information.pinFault?.hint ?? ""])
            case .ready(let information):
                logger.log(.tokenReady, "token ready", [.token: name, .label: information.label])
                onReady?(name, supervisor)
            case .unavailable(let failure):
                logger.log(
                    .tokenUnavailable, "token unavailable",
                    [
                        .token: name, .reason: "\(failure.kind)", .why: failure.forLog, .hint: failure.hint ?? "",
                        .function: failure.function ?? "", .returnValue: failure.hexadecimalReturnValue,
                    ])
            case .starting, .stopped: break
            }
            onChange?()
        }
    }
}

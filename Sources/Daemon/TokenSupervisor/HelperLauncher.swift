import NIOCore
import TokenProtocol

/// A running helper: its process, and our end of each link, the control link first.
public struct LaunchedHelper: Sendable {
    public var process: Int32
    public var links: [CInt]

    public init(process: Int32, links: [CInt]) {
        self.process = process
        self.links = links
    }
}

/// How a helper's process ended.
public enum HelperExit: Hashable, Sendable, CustomStringConvertible {
    case exited(code: Int32)
    case killed(signal: Int32)
    /// The launcher cannot tell.
    case unknown

    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .killed(let signal): "signal \(signal)"
        case .unknown: "unknown"
        }
    }
}

/// Starts and ends helpers. A protocol, so that a test can be the helper.
public protocol HelperLauncher: Sendable {
    /// Starts a helper with one control link and `signingLinks` links for signatures.
    /// - Throws: `TokenFailure`.
    func launch(_ configuration: TokenConfiguration, signingLinks: Int) throws(TokenFailure) -> LaunchedHelper

    /// Kills a helper and collects its exit status; returns at once.
    func end(_ helper: LaunchedHelper)

    /// The same, but a helper whose links are closed has `grace` to exit by itself. `ended` is called on any thread
    /// once it has.
    func end(_ helper: LaunchedHelper, after grace: TimeAmount, ended: @escaping @Sendable (HelperExit) -> Void)
}

extension HelperLauncher {
    public func end(_ helper: LaunchedHelper, after grace: TimeAmount, ended: @escaping @Sendable (HelperExit) -> Void) {
        end(helper)
        ended(.unknown)
    }
}

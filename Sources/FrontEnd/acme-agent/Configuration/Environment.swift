import Glibc

/// The environment variables that this program reads, as values.
struct Environment: Sendable, Equatable {
    var configuration: String?
    var socket: String?
    var directory: String?
    var home: String?
    var stateHome: String?
    var isRoot = false

    init() {}

    /// Those of the process. An empty variable counts as none.
    static var current: Environment {
        func variable(_ name: String) -> String? {
            guard let value = getenv(name), value.pointee != 0 else { return nil }
            return String(cString: value)
        }
        var environment = Environment()
        environment.configuration = variable("ACME_AGENT_CONFIG")
        environment.socket = variable("ACME_AGENT_SOCKET")
        environment.directory = variable("ACME_DIRECTORY")
        environment.home = variable("HOME")
        environment.stateHome = variable("XDG_STATE_HOME")
        environment.isRoot = geteuid() == 0
        return environment
    }

    /// Where certificates and accounts are kept if nothing else is said.
    var stateDirectory: String? {
        if isRoot { return "/var/lib/acme-agent" }
        // XDG Base Directory: a relative path is to be ignored.
        if let stateHome, stateHome.hasPrefix("/") { return stateHome + "/acme-agent" }
        return home.map { $0 + "/.local/state/acme-agent" }
    }
}

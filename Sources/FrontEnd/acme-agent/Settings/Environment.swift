import DurableFile
import Glibc

/// The environment variables that this program reads.
struct Environment: Sendable, Equatable {
    var configuration: String?
    var socket: String?
    var directory: String?
    var ca: String?
    var home: String?
    var stateHome: String?
    /// A variable that may have one of several names.
    struct Variable: Sendable, Equatable {
        var name: String
        var value: String
    }

    /// `https_proxy` or `all_proxy`, and `no_proxy`; see `ProxySettings`.
    var proxy: Variable?
    var proxyExceptions: String?
    /// `LC_ALL`, `LC_MESSAGES` or `LANG`.
    var locale: String?
    var isRoot = false
    /// Whether the system's store belongs to this user: `acme-agent-client`, as the package is installed.
    var ownsSystemStore = false

    init() {}

    /// The process's variables. An empty variable counts as unset.
    /// - Throws: `Failure` for a variable that is not UTF-8: converted, it would name another file.
    static func current() throws(Failure) -> Environment {
        func variable(_ name: String) throws(Failure) -> String? {
            guard let value = getenv(name), value.pointee != 0 else { return nil }
            guard let text = String(validatingCString: value) else { throw .configuration("\(name) is not valid UTF-8") }
            return text
        }
        var environment = Environment()
        environment.configuration = try variable("ACME_AGENT_CONFIG")
        environment.socket = try variable("ACME_AGENT_SOCKET")
        environment.directory = try variable("ACME_DIRECTORY")
        environment.ca = try variable("ACME_CA")
        environment.home = try variable("HOME")
        environment.stateHome = try variable("XDG_STATE_HOME")
        func first(_ names: [String]) throws(Failure) -> Variable? {
            for name in names { if let value = try variable(name) { return Variable(name: name, value: value) } }
            return nil
        }
        environment.proxy = try first(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
        environment.proxyExceptions = try first(["no_proxy", "NO_PROXY"])?.value
        // A locale that is not UTF-8 is ignored.
        environment.locale = try? first(["LC_ALL", "LC_MESSAGES", "LANG"])?.value
        environment.isRoot = geteuid() == 0
        // Of the folder itself, should the path be a symbolic link.
        environment.ownsSystemStore = (try? Folder(rootStateDirectory).status())?.owner == geteuid()
        return environment
    }

    static let rootStateDirectory = "/var/lib/acme-agent"

    /// The default place for certificates and accounts.
    var stateDirectory: String? {
        if isRoot || ownsSystemStore { return Environment.rootStateDirectory }
        // XDG Base Directory Specification: a relative path must be ignored.
        if let stateHome, stateHome.hasPrefix("/") { return stateHome + "/acme-agent" }
        return home.map { $0 + "/.local/state/acme-agent" }
    }
}

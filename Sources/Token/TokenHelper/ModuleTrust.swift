import DurableFile
import TokenProtocol

/// Decides whether a path may be loaded into the process that has the PIN: nobody but root and this process's user may be able to
/// put another file there.
enum ModuleTrust {
    /// The path without symbolic links, or why it is not to be trusted.
    ///
    /// The module is loaded by this path later: nobody else can change what is at it, since every folder on the way was judged too.
    static func resolve(_ path: String) throws(TokenFailure) -> String {
        do throws(OwnershipError) {
            let way = try TrustedWay(to: path)
            _ = try way.open(as: .configuration)
            return way.resolved
        } catch {
            switch error {
            case .system(let error):
                throw TokenFailure(
                    .moduleNotLoaded, message: "the module \"\(error.path)\" cannot be loaded: \(error.reason)",
                    hint: error.isMissing
                        ? "is the token's software installed? \"module\" in the agent's configuration names its PKCS#11 library"
                        : "the agent's user must be able to read it")
            case .distrusted(_, .notAbsolute):
                throw TokenFailure(.moduleUntrusted, message: "the module's path is not absolute", hint: "write it from / on")
            case .distrusted(let path, let reason):
                throw TokenFailure(
                    .moduleUntrusted, message: "the module is not loaded, because \"\(path)\" \(reason)",
                    hint: "the module and every folder above it must belong to root and be writable by nobody else")
            }
        }
    }
}

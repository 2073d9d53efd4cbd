import DurableFile
import TokenProtocol

/// Decides whether the file at a path may be loaded into the process that has the PIN: only root and this process's
/// user may be able to replace it.
enum ModuleTrust {
    /// The path without symbolic links. Throws the reason if it is not trusted.
    ///
    /// The module is loaded by this path later. Nobody else can change what is there, since every folder above it was
    /// checked too.
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
                throw TokenFailure(.moduleUntrusted, message: "the module's path is not absolute", hint: "write the full path, from /")
            case .distrusted(let path, let reason):
                throw TokenFailure(
                    .moduleUntrusted, message: "the module is not loaded, because \"\(path)\" \(reason)",
                    hint: "the module and every folder above it must belong to root or to the agent's user and be writable by nobody else")
            }
        }
    }
}

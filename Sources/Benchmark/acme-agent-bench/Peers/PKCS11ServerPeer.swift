import Glibc

/// `p11-kit server` in front of the token, and p11-kit-client.so in this process.
final class PKCS11ServerPeer {
    private let server: ChildProcess
    let client: ModulePeer

    init(folder: String, module: String, uri: String, pinFile: String, environment: [String: String]) throws {
        try Files.makeFolder(folder)
        let socket = folder + "/p11-kit.sock"
        server = try ChildProcess(
            ["p11-kit", "server", "--foreground", "--provider", module, "--name", socket, uri], environment: environment,
            log: folder + "/p11-kit.log", diesWithParent: true)
        do {
            try server.await("p11-kit server") { Files.exists(socket) }
            // The client module reads this when it is loaded.
            setenv("P11_KIT_SERVER_ADDRESS", "unix:path=" + socket, 1)
            client = try ModulePeer(path: try PKCS11ServerPeer.clientModule(), uri: uri, pinFile: pinFile)
        } catch {
            server.stop()
            throw error
        }
    }

    func stop() { server.stop() }

    /// The server and the process that it starts for each client.
    var processes: [pid_t] { [server.process] + server.children }

    private static func clientModule() throws -> String {
        let places = ["/usr/lib/x86_64-linux-gnu/pkcs11", "/usr/lib/aarch64-linux-gnu/pkcs11", "/usr/lib64/pkcs11", "/usr/lib/pkcs11"]
        guard let found = places.map({ $0 + "/p11-kit-client.so" }).first(where: { Files.exists($0) }) else {
            throw BenchError("p11-kit-client.so was not found in \(places.joined(separator: ", "))")
        }
        return found
    }
}

import NIOCore
import NIOPosix
import Varlink

/// `varlink-certification --varlink=unix:PATH` serves `org.varlink.certification` until it is killed; with `--client`,
/// it is the client of such a service, and exits with 0 if the service passed.
@main
struct Main {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let prefix = "--varlink="
        guard let text = arguments.first(where: { $0.hasPrefix(prefix) })?.dropFirst(prefix.count),
            let address = VarlinkAddress(String(text)), arguments.allSatisfy({ $0.hasPrefix(prefix) || $0 == "--client" })
        else { throw CertificationClient.Failed(description: "usage: varlink-certification [--client] --varlink=unix:PATH") }
        if arguments.contains("--client") {
            let connection = try await VarlinkConnection.connect(to: address)
            try await CertificationClient.run(connection)
            await connection.close()
            print("certification passed")
        } else {
            try await serve(address)
        }
    }

    private static func serve(_ address: VarlinkAddress) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        try await loop.flatSubmit {
            do {
                let server = VarlinkServer(service: try CertificationService(), eventLoop: loop) { VarlinkPeerCredentials(descriptor: $0) }
                return server.listen(at: address)
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
        // Serves until a signal ends the process.
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}

import Glibc

/// The benchmark's own ACME CA: Pebble with its DNS server, started by `Tests/Sandbox/up`. Validations do not sleep,
/// and authorizations are not reused.
final class BenchCA {
    private let sandbox: ChildProcess
    private let folder: String
    /// The ACME directory's URL.
    let directory: String
    /// The one root, PEM, that Pebble's own HTTPS chains to.
    let rootCertificate: String
    /// The port that Pebble validates http-01 on.
    let http01Port: Int
    private var issued = 0

    /// - Parameter refusedNonces: percentage of valid nonces that the CA refuses (RFC 8555 §6.5).
    init(folder: String, refusedNonces: Int = 0, workshop: Workshop) throws {
        self.folder = folder
        try Files.makeFolder(folder)
        let log = folder + ".log"
        // Stops its sandbox when this program ends, however it ends.
        let sandbox = try ChildProcess(
            ["setpriv", "--pdeathsig", "TERM", "--", "Tests/Sandbox/hold", "--no-build", "--authorities-only"],
            environment: workshop.environment.merging([
                "SANDBOX_DIR": folder, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "\(refusedNonces)", "PEBBLE_AUTHZREUSE": "0",
            ]) { $1 }, log: log)
        self.sandbox = sandbox
        do {
            try sandbox.await("the ACME CA", seconds: 60) { Files.exists(folder + "/env") }
            let variables = try BenchCA.variables(folder + "/env")
            guard let directory = variables["ACME_DIRECTORY"], let certificate = variables["CA_CERTIFICATE"],
                let port = variables["HTTP01_PORT"].flatMap({ Int($0) })
            else { throw BenchError("Tests/Sandbox/up does not say where its CA is") }
            self.directory = directory
            rootCertificate = certificate
            http01Port = port
        } catch {
            sandbox.stop()
            throw error
        }
    }

    func stop() { sandbox.stop() }

    /// Parses lines of `export NAME=VALUE`; none of these values needs quotes.
    private static func variables(_ path: String) throws -> [String: String] {
        var variables: [String: String] = [:]
        for line in try Files.text(path).split(separator: "\n") where line.hasPrefix("export ") {
            let pair = line.dropFirst(7).split(separator: "=", maxSplits: 1)
            if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
        }
        return variables
    }

    /// Names without a certificate so far.
    func freshNames(_ count: Int = 1) -> [String] {
        issued += 1
        return (0..<count).map { count == 1 ? "n\(issued).example.org" : "n\(issued)-\($0).example.org" }
    }

    // MARK: Requests

    /// A moment in Pebble's log.
    struct Mark { fileprivate var offset: Int }

    func mark() throws -> Mark { Mark(offset: try Files.read(log).count) }

    /// Requests to Pebble since then: it writes one log line before it answers each.
    func requests(since mark: Mark) throws -> Int {
        let text = String(decoding: try Files.read(log).dropFirst(mark.offset), as: UTF8.self)
        return text.split(separator: "\n").filter { $0.hasSuffix("-> calling handler()") }.count
    }

    private var log: String { folder + "/log/pebble.log" }
}

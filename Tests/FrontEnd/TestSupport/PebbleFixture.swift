import ACME
import ACMEClient
import Foundation
import Glibc
import ProcessWaiting
import StrictJSON

/// Debian's Pebble and its DNS server on free loopback ports, with the test's own CA for HTTPS. For tests only.
///
/// Both end when `stop` is called, or with the fixture.
public final class PebbleFixture: Sendable {
    public struct Options: Sendable {
        /// Percentage of nonces that are refused.
        public var nonceReject = 0
        /// Percentage of valid authorizations that are reused.
        public var authorizationReuse = 0
        public var alternateRoots = 0
        public var chainLength = 1
        /// Key identifier to HMAC key in base64url. If not empty, the CA requires an external account binding.
        public var externalAccounts: [String: String] = [:]
        public var blockedDomains: [String] = []
        /// Seconds.
        public var certificateValidity = 157_766_400
        /// The port on 127.0.0.1 of the DNS server that Pebble validates with; `nil` for the one that comes with it.
        public var dnsPort: Int?

        public init() {}
    }

    public let directory: ACMEURL
    /// PEM file of the CA that issued the server's own certificate.
    public let caCertificate: String
    /// The port on 127.0.0.1 that Pebble validates http-01 on.
    public let http01Port: Int
    /// The port on 127.0.0.1 that Pebble validates tls-alpn-01 on.
    public let tlsALPN01Port: Int
    public let managementPort: Int
    /// Management interface of the DNS server.
    public let dnsManagementPort: Int
    public let folder: TemporaryFolder
    private let processes: [Process]

    /// Whether the programs are installed.
    public static var isAvailable: Bool {
        ["/usr/bin/pebble", "/usr/bin/pebble-challtestsrv", "/usr/bin/openssl"].allSatisfy {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    public init(_ options: Options = Options()) async throws {
        folder = try TemporaryFolder()
        let ports = try Self.freePorts(6)
        let listen = ports[0], management = ports[1], dns = ports[2], dnsManagement = ports[3], http = ports[4], tls = ports[5]
        (managementPort, dnsManagementPort, http01Port, tlsALPN01Port) = (management, dnsManagement, http, tls)
        directory = try ACMEURL("https://localhost:\(listen)/dir")
        caCertificate = folder.file("ca.pem")
        try Self.makeCertificates(folder)
        let secrets = options.externalAccounts.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
        let blocked = options.blockedDomains.map { "\"\($0)\"" }.joined(separator: ",")
        let configuration = """
            {"pebble":{"listenAddress":"127.0.0.1:\(listen)","managementListenAddress":"127.0.0.1:\(management)",
            "certificate":"\(folder.file("server.pem"))","privateKey":"\(folder.file("server.key"))",
            "httpPort":\(http),"tlsPort":\(tls),"ocspResponderURL":"","externalAccountBindingRequired":\(!secrets.isEmpty),
            "externalAccountMACKeys":{\(secrets)},"domainBlocklist":[\(blocked)],
            "certificateValidityPeriod":\(options.certificateValidity)}}
            """
        let file = try folder.write("pebble.json", configuration)
        let dnsServer = try Self.start(
            "/usr/bin/pebble-challtestsrv",
            [
                "-dns01", "127.0.0.1:\(dns)", "-management", "127.0.0.1:\(dnsManagement)", "-http01", "", "-https01", "", "-tlsalpn01", "",
                "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "",
            ], [:], log: folder.file("challtestsrv.log"))
        let pebble = try Self.start(
            "/usr/bin/pebble", ["-config", file, "-dnsserver", "127.0.0.1:\(options.dnsPort ?? dns)"],
            [
                "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "\(options.nonceReject)",
                "PEBBLE_AUTHZREUSE": "\(options.authorizationReuse)", "PEBBLE_ALTERNATE_ROOTS": "\(options.alternateRoots)",
                "PEBBLE_CHAIN_LENGTH": "\(options.chainLength)",
            ], log: folder.file("pebble.log"))
        processes = [dnsServer, pebble]
        try await Self.waitUntilReachable([listen, management, dnsManagement], folder)
    }

    deinit { Self.stop(processes) }

    /// Ends both programs.
    public func stop() { Self.stop(processes) }

    /// A transport that trusts only this Pebble. The caller must shut it down.
    public func transport() throws -> AsyncHTTPTransport {
        try AsyncHTTPTransport(trustRoots: .file(caCertificate), userAgent: "acme-agent-test/0")
    }

    /// What Pebble has logged.
    public var log: String { (try? folder.read("pebble.log")) ?? "" }

    private static func start(_ program: String, _ arguments: [String], _ environment: [String: String], log: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = environment
        guard FileManager.default.createFile(atPath: log, contents: nil), let output = FileHandle(forWritingAtPath: log) else {
            throw PebbleError(message: "cannot write \(log)")
        }
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.runAlone()
        return process
    }

    private static func stop(_ processes: [Process]) {
        for process in processes where process.isRunning { kill(process.processIdentifier, SIGKILL) }
        for process in processes { process.waitAsleep() }
    }

    /// Ports that are free now. All are kept open until the last is found, so that they differ.
    public static func freePorts(_ count: Int) throws -> [Int] {
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { close(descriptor) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            descriptors.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let port: UInt16? = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    guard bind(descriptor, address, size) == 0, getsockname(descriptor, address, &size) == 0 else { return nil }
                    return pointer.pointee.sin_port.bigEndian
                }
            }
            guard let port else { throw PebbleError(message: "no free port") }
            return Int(port)
        }
    }

    private static func makeCertificates(_ folder: TemporaryFolder) throws {
        try folder.write("server.ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        try openssl(
            ["req", "-x509"] + key + [
                "-keyout", folder.file("ca.key"), "-out", folder.file("ca.pem"), "-days", "2", "-subj", "/CN=Test CA", "-addext",
                "basicConstraints=critical,CA:TRUE",
            ])
        try openssl(["req"] + key + ["-keyout", folder.file("server.key"), "-out", folder.file("server.csr"), "-subj", "/CN=localhost"])
        try openssl([
            "x509", "-req", "-in", folder.file("server.csr"), "-CA", folder.file("ca.pem"), "-CAkey", folder.file("ca.key"),
            "-CAcreateserial", "-out", folder.file("server.pem"), "-days", "2", "-extfile", folder.file("server.ext"),
        ])
    }

    private static func openssl(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitAsleep()
        guard process.terminationStatus == 0 else { throw PebbleError(message: "openssl \(arguments[0]) failed") }
    }

    private static func waitUntilReachable(_ ports: [Int], _ folder: TemporaryFolder) async throws {
        for _ in 0..<500 {
            if ports.allSatisfy(isListening) { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw PebbleError(message: "Pebble did not start: " + ((try? folder.read("pebble.log")) ?? ""))
    }

    private static func isListening(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

public struct PebbleError: Error, CustomStringConvertible {
    public var message: String
    public init(message: String) { self.message = message }
    public var description: String { message }
}

import ACME
import DNS
import Foundation
import Glibc
import ProcessWaiting

/// BIND or Knot on loopback: a primary on 127.0.0.1 and, if asked for, a secondary on 127.0.0.2, on one free port, for
/// `example.org` and `example.net`. The primary takes updates with the key "update". It notifies nobody: the secondary
/// looks for changes every two seconds. It is always Knot: BIND listens only on addresses that an interface lists, which
/// 127.0.0.2 is not. For tests only.
public final class DNSServersFixture: Sendable {
    public enum Software: String, CaseIterable, Sendable, CustomStringConvertible {
        case bind, knot

        var program: String { self == .bind ? "/usr/sbin/named" : "/usr/sbin/knotd" }
        public var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }
        public var description: String { rawValue }

        public static var installed: [Software] { allCases.filter(\.isInstalled) }
        /// Those that can have a secondary.
        public static var installedWithSecondary: [Software] { knot.isInstalled ? installed : [] }
    }

    public static let secret = "bWFrZSB0aGlzIHNlY3JldCAzMiBieXRlcyBsb25nISE="

    public let folder: TemporaryFolder
    public let port: Int
    public let primary: DNSServer
    /// As `tsig-keygen` writes it.
    public let keyFile: String
    private let processes: [Process]

    /// - Parameters:
    ///   - records: further lines of the zone file of example.org.
    ///   - algorithm: of the key.
    public init(
        _ software: Software, withSecondary: Bool = false, records: [String] = [], algorithm: TSIGKey.Algorithm = .hmacSHA256
    ) async throws {
        folder = try TemporaryFolder()
        port = try Self.freePort()
        primary = DNSServer(try IPAddress("127.0.0.1"), port: port)
        let statement = "key \"update\" {\n\talgorithm \(algorithm.rawValue);\n\tsecret \"\(Self.secret)\";\n};\n"
        keyFile = try folder.write("update.key.conf", statement)
        let addresses = withSecondary ? ["127.0.0.1", "127.0.0.2"] : ["127.0.0.1"]
        var started: [Process] = []
        for address in addresses {
            let own = folder.file(address)
            try FileManager.default.createDirectory(atPath: own + "/db", withIntermediateDirectories: true)
            let isPrimary = address == addresses[0]
            if isPrimary {
                try Self.writeZones(to: own, addresses, records)
            }
            let actual: Software = isPrimary ? software : .knot
            let configuration =
                actual == .bind ? Self.bind(own, address, port, statement) : Self.knot(own, address, port, isPrimary, algorithm)
            let file = try folder.write("\(address).conf", configuration)
            let arguments = actual == .bind ? ["-g", "-n", "1", "-c", file] : ["-c", file]
            started.append(try Self.start(actual.program, arguments, log: folder.file("\(address).log")))
            // The secondary fetches the zones at its start.
            do { try await Self.waitUntilServing(DNSServer(try IPAddress(address), port: port)) } catch {
                Self.stop(started)
                throw PebbleError(message: "\(software) did not start: " + ((try? folder.read("\(address).log")) ?? ""))
            }
        }
        processes = started
    }

    deinit { Self.stop(processes) }

    public func stop() { Self.stop(processes) }

    /// Stops or continues the server on 127.0.0.2.
    public func signalSecondary(_ signal: Int32) { if processes.count > 1 { kill(processes[1].processIdentifier, signal) } }

    public func log(of address: String = "127.0.0.1") -> String { (try? folder.read("\(address).log")) ?? "" }

    /// Looks for everything at the primary, and expects the zone's servers on the fixture's port.
    public var lookup: DNSLookup { DNSLookup(resolvers: [primary], port: port) }

    private static func writeZones(to folder: String, _ addresses: [String], _ records: [String]) throws {
        for zone in ["example.org", "example.net"] {
            var lines = ["$TTL 1", "@ SOA ns1.example.org. admin.example.org. 1 1 1 3600 1"]
            for (index, _) in addresses.enumerated() { lines.append("@ NS ns\(index + 1).example.org.") }
            if zone == "example.org" {
                for (index, address) in addresses.enumerated() { lines.append("ns\(index + 1) A \(address)") }
                lines += ["www A 127.0.0.1"] + records
            }
            try (lines.joined(separator: "\n") + "\n").write(toFile: folder + "/" + zone, atomically: true, encoding: .utf8)
        }
    }

    private static func bind(_ folder: String, _ address: String, _ port: Int, _ key: String) -> String {
        let zones = ["example.org", "example.net"].map { zone in
            """
            zone "\(zone)" { type primary; file "\(folder)/\(zone)"; allow-transfer { any; };
                update-policy { grant update subdomain \(zone). TXT; }; };
            """
        }
        return """
            \(key)
            options {
                directory "\(folder)"; pid-file "\(folder)/pid"; session-keyfile "\(folder)/session"; lock-file none;
                managed-keys-directory "\(folder)"; listen-on port \(port) { \(address); }; listen-on-v6 { none; }; notify no;
                recursion no; dnssec-validation no; allow-query { any; }; tcp-clients 50;
            };
            controls {};
            \(zones.joined(separator: "\n"))
            """
    }

    private static func knot(
        _ folder: String, _ address: String, _ port: Int, _ isPrimary: Bool, _ algorithm: TSIGKey.Algorithm
    ) -> String {
        let zones = ["example.org", "example.net"].map { zone in
            "  - domain: \(zone)\n" + (isPrimary ? "    acl: [update, transfer]" : "    master: primary")
        }
        return """
            server:
                rundir: "\(folder)"
                listen: \(address)@\(port)
                udp-workers: 1
                tcp-workers: 1
                background-workers: 1
            database:
                storage: "\(folder)/db"
                journal-db-max-size: 16M
                kasp-db-max-size: 5M
                timer-db-max-size: 1M
                catalog-db-max-size: 5M
            log:
              - target: stderr
                any: info
            key:
              - id: update
                algorithm: \(algorithm.rawValue)
                secret: \(secret)
            remote:
              - id: primary
                address: 127.0.0.1@\(port)
            acl:
              - id: update
                key: update
                action: update
              - id: transfer
                address: 127.0.0.0/8
                action: transfer
            template:
              - id: default
                storage: "\(folder)"
                file: "%s"
                zonefile-sync: -1
                refresh-min-interval: 2
                refresh-max-interval: 2
            zone:
            \(zones.joined(separator: "\n"))
            """
    }

    private static func start(_ program: String, _ arguments: [String], log: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
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

    private static func waitUntilServing(_ server: DNSServer) async throws {
        let end = ContinuousClock.now + .seconds(60)
        let lookup = DNSLookup(resolvers: [server], port: server.port)
        while true {
            let zone = try? await lookup.zone(of: DomainName("example.org")), other = try? await lookup.zone(of: DomainName("example.net"))
            if zone != nil, other != nil { return }
            guard ContinuousClock.now < end else { throw PebbleError(message: "\(server) does not serve") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// A port that is free for both addresses and transports.
    private static func freePort() throws -> Int {
        for _ in 0..<50 {
            let port = try PebbleFixture.freePorts(1)[0]
            if isFree(port) { return port }
        }
        throw PebbleError(message: "no free port")
    }

    private static func isFree(_ port: Int) -> Bool {
        for address in ["127.0.0.1", "127.0.0.2"] {
            for type in [SOCK_STREAM, SOCK_DGRAM] {
                let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
                defer { close(descriptor) }
                var name = sockaddr_in()
                name.sin_family = sa_family_t(AF_INET)
                name.sin_port = UInt16(port).bigEndian
                name.sin_addr.s_addr = inet_addr(address)
                let result = withUnsafePointer(to: &name) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                guard result == 0 else { return false }
            }
        }
        return true
    }
}

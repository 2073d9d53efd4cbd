import ACME
import AgentClient
import AgentTLS
import Crypto
import Foundation
import JOSE
import KeyNameLiterals
import ProcessWaiting
import SwiftASN1
import Synchronization
import Testing
import X509

/// A daemon with a token of SoftHSM, and certificates of a CA in memory for its keys.
final class TestAgent: Sendable {
    let folder: String
    let authority = TestAuthority()
    private let environment: [String: String]
    private let daemon = Mutex<Process?>(nil)

    var socket: String { folder + "/run/agent.sock" }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// Where the test itself is, or the runner that loads it.
    private static let programs: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        for argument in [own] + CommandLine.arguments {
            let folder = (argument as NSString).deletingLastPathComponent
            if FileManager.default.isExecutableFile(atPath: folder + "/acme-agentd") { return folder }
        }
        return root + "/.build/debug"
    }()

    static let allHandshakes = ["sign-handshake", "sign-client-handshake", "sign-server-key-exchange"]

    init(handshakes: [String] = allHandshakes) async throws {
        folder = FileManager.default.temporaryDirectory.path + "/tls-\(UUID().uuidString.prefix(8))"
        let files = FileManager.default
        for name in ["", "/run", "/certificates"] {
            try files.createDirectory(atPath: folder + name, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        }
        let made = try Self.run("/bin/bash", [Self.root + "/softhsm/token-up", folder + "/token", "tls"])
        var variables: [String: String] = [:]
        for line in made.split(separator: "\n") {
            let words = line.drop { $0 != " " }.dropFirst().split(separator: "=", maxSplits: 1)
            if words.count == 2 { variables[String(words[0])] = words[1].trimmingCharacters(in: CharacterSet(charactersIn: "'\";")) }
        }
        environment = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
        let operations = (["administer", "list-keys", "read-audit"] + handshakes).map { "\"\($0)\"" }.joined(separator: ", ")
        let configuration = """
            socket = "\(socket)"
            state-directory = "\(folder)/agentd"

            [[token]]
            name = "softhsm"
            module = "/usr/lib/softhsm/libsofthsm2.so"
            uri = "\(variables["TOKEN_URI"] ?? "")"
            pin-source = "\(variables["PIN_FILE"] ?? "")"
            environment = { SOFTHSM2_CONF = "\(variables["SOFTHSM2_CONF"] ?? "")" }

            [[grant]]
            name = "tests"
            users = ["\(geteuid())"]
            keys = ["*"]
            operations = [\(operations)]
            identifiers = []
            cas = []
            """
        try configuration.write(toFile: folder + "/acme-agentd.toml", atomically: true, encoding: .utf8)
        try await start()
    }

    deinit {
        daemon.withLock { $0 }?.terminate()
        daemon.withLock { $0 }?.waitAsleep()
        try? FileManager.default.removeItem(atPath: folder)
    }

    var processIdentifier: Int32 { daemon.withLock { $0?.processIdentifier } ?? 0 }

    func start() async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.programs + "/acme-agentd")
        process.arguments = ["--config", folder + "/acme-agentd.toml"]
        process.environment = environment
        let log = folder + "/agentd.log"
        if !FileManager.default.fileExists(atPath: log) { _ = FileManager.default.createFile(atPath: log, contents: nil) }
        let handle = FileHandle(forWritingAtPath: log)
        _ = try handle?.seekToEnd()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        daemon.withLock { $0 = process }
        for _ in 0..<1_000 {
            if (try? await AgentClient.connect(socket: socket).status())?.tokens.allSatisfy({ $0.state == .ready }) == true { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw TestFailure("the daemon did not start: \((try? String(contentsOfFile: log, encoding: .utf8)) ?? "")")
    }

    func stop() {
        guard let process = daemon.withLock({ $0 }) else { return }
        process.terminate()
        process.waitAsleep()
    }

    func hold() { _ = kill(processIdentifier, SIGSTOP) }
    func resume() { _ = kill(processIdentifier, SIGCONT) }

    /// Makes a key with a certificate; `acme-agent` has such a folder for each certificate.
    @discardableResult func issue(_ name: KeyName, _ algorithm: KeyAlgorithm = .p256, generation: Int = 1, in certificate: String? = nil)
        async throws
        -> String
    {
        let agent = try await AgentClient.connect(socket: socket)
        let key = try await agent.createKey(named: name, usage: .certificate, algorithm: algorithm)
        return try install(name, spki: key.publicKey.spki, generation: generation, in: certificate)
    }

    @discardableResult func install(_ name: KeyName, spki: [UInt8], generation: Int = 1, in certificate: String? = nil) throws -> String {
        let home = folder + "/certificates/" + (certificate ?? name.rawValue)
        let place = home + "/generations/\(generation)"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        try authority.chain(for: spki).write(toFile: place + "/fullchain.pem", atomically: false, encoding: .utf8)
        try Data(KeyFile.encode(name: name.rawValue, socket: socket, spki: spki)).write(to: URL(fileURLWithPath: place + "/key.pem"))
        try? FileManager.default.removeItem(atPath: home + "/new")
        try FileManager.default.createSymbolicLink(atPath: home + "/new", withDestinationPath: "generations/\(generation)")
        guard rename(home + "/new", home + "/current") == 0 else { throw TestFailure("rename") }
        return home
    }

    /// Sockets that the daemon has open.
    func sockets() throws -> Int {
        let folder = "/proc/\(processIdentifier)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)"))?.hasPrefix("socket:") == true
        }.count
    }

    /// The standard output of a program.
    static func run(_ path: String, _ arguments: [String]) throws -> String {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitAsleep()
        guard process.terminationStatus == 0 else { throw TestFailure("\(path) ended with \(process.terminationStatus)") }
        return String(decoding: output, as: UTF8.self)
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A CA with an intermediate, so that the chain matters.
struct TestAuthority: Sendable {
    private let issuerKey = P256.Signing.PrivateKey()
    let root: Certificate
    private let issuer: Certificate

    init() {
        let extensions = try? Certificate.Extensions {
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
            Critical(KeyUsage(keyCertSign: true))
        }
        let rootKey = P256.Signing.PrivateKey()
        func make(_ subject: String, _ key: P256.Signing.PublicKey, by issuer: String) -> Certificate {
            guard
                let made = try? Certificate(
                    version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(key), notValidBefore: Date() - 3_600,
                    notValidAfter: Date() + 86_400, issuer: DistinguishedName { CommonName(issuer) },
                    subject: DistinguishedName { CommonName(subject) }, signatureAlgorithm: .ecdsaWithSHA256,
                    extensions: extensions ?? Certificate.Extensions(), issuerPrivateKey: .init(rootKey))
            else { preconditionFailure("the test's CA cannot be made") }
            return made
        }
        root = make("root", rootKey.publicKey, by: "root")
        issuer = make("issuer", issuerKey.publicKey, by: "root")
    }

    /// PEM of a certificate for localhost and of its issuer.
    func chain(for spki: [UInt8]) throws -> String {
        let leaf = try Certificate(
            version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(derEncoded: spki), notValidBefore: Date() - 3_600,
            notValidAfter: Date() + 86_400, issuer: issuer.subject, subject: DistinguishedName {}, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(SubjectAlternativeNames([.dnsName("localhost")]))
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage([.serverAuth, .clientAuth])
            }, issuerPrivateKey: .init(issuerKey))
        return try leaf.serializeAsPEM().pemString + "\n" + issuer.serializeAsPEM().pemString + "\n"
    }
}

import Crypto
import Foundation
import ProcessWaiting
import Synchronization
import TokenProtocol

/// A folder with a SoftHSM token, a PIN file and the fault module, for one test. Removed with the value.
public final class HelperFixture {
    public let folder: String
    public let configurationFile: String
    public let pinFile: String
    public let uri: String
    private let label: String
    public static let softHSM = "/usr/lib/softhsm/libsofthsm2.so"

    public init(label: String = "unit") throws {
        folder = FileManager.default.temporaryDirectory.path + "/acme-agent-token-\(UUID().uuidString)"
        try Self.makeToken(folder + "/token", label)
        configurationFile = folder + "/token/softhsm2.conf"
        pinFile = folder + "/token/\(label).pin"
        uri = "pkcs11:token=\(label)"
        self.label = label
        for name in ["state", "faults", "module"] {
            try FileManager.default.createDirectory(
                atPath: folder + "/" + name, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder)
    }

    public struct Failure: Error, CustomStringConvertible {
        public var description: String
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// The files of tokens as softhsm/token-up has made them, by label and path: tokens of one label differ only in where
    /// they are.
    private static let tokens = Mutex<[String: [String: Data]]>([:])

    private static func makeToken(_ folder: String, _ label: String) throws {
        let manager = FileManager.default
        let placeholder = "/the/folder"
        guard let files = tokens.withLock({ $0[label] }) else {
            try run(repository + "/softhsm/token-up", [folder, label, "271828"])
            var files: [String: Data] = [:]
            for path in try manager.subpathsOfDirectory(atPath: folder) {
                files[path] = manager.contents(atPath: "\(folder)/\(path)")
            }
            let configuration = String(decoding: files["softhsm2.conf"] ?? Data(), as: UTF8.self)
            files["softhsm2.conf"] = Data(configuration.replacingOccurrences(of: folder, with: placeholder).utf8)
            tokens.withLock { $0[label] = files }
            return
        }
        for (path, content) in files {
            let file = URL(fileURLWithPath: "\(folder)/\(path)")
            try manager.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let text = path == "softhsm2.conf" ? String(decoding: content, as: UTF8.self) : ""
            let own = text.isEmpty ? content : Data(text.replacingOccurrences(of: placeholder, with: folder).utf8)
            guard manager.createFile(atPath: file.path, contents: own, attributes: [.posixPermissions: 0o600]) else {
                throw Failure(description: "\(file.path) cannot be written")
            }
        }
    }

    public static var repository: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
    }

    /// The built `acme-agent-token`, next to the tests.
    public static func program() throws -> String {
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
        let candidates = [tests + "/acme-agent-token", repository + "/.build/debug/acme-agent-token"]
        guard let program = candidates.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw Failure(description: "acme-agent-token has not been built")
        }
        return program
    }

    /// What the daemon tells the helper of this token.
    public func configuration(
        module: String = HelperFixture.softHSM, uri: String? = nil, pinSource: String? = nil, pool: Int = 4, name: String = "unit"
    ) -> TokenConfiguration {
        TokenConfiguration(
            name: name, module: module, uri: uri ?? self.uri, pinSource: pinSource ?? pinFile, pool: pool,
            stateDirectory: folder + "/state", environment: ["SOFTHSM2_CONF": configurationFile, "FAULT_DIRECTORY": folder + "/faults"])
    }

    /// SoftHSM with the fault module: a copy for this test.
    public func faultModule() throws -> String {
        let path = folder + "/module/fault-module.so"
        if !FileManager.default.fileExists(atPath: path) {
            try Self.compiledFaultModule.get().write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
        return path
    }

    private static let compiledFaultModule = Result<Data, any Error> {
        let path = FileManager.default.temporaryDirectory.path + "/fault-module-\(UUID().uuidString).so"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try run(
            "/usr/bin/env",
            ["cc", "-shared", "-fPIC", "-I/usr/include/p11-kit-1", "-o", path, repository + "/softhsm/fault-module.c", "-ldl"])
        return try Data(contentsOf: URL(fileURLWithPath: path))
    }

    public func write(_ text: String, to path: String, mode: Int = 0o600) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    /// Makes the fault module do something; see softhsm/fault-module.c.
    public func fault(_ name: String, _ text: String = "") throws {
        // The module may look at any moment, and removes a file in which it finds no numbers.
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/faults/" + name), options: .atomic)
    }

    public func endFault(_ name: String) { try? FileManager.default.removeItem(atPath: folder + "/faults/" + name) }

    /// How often the fault module was called.
    public func calls(_ function: String) -> Int { lines(of: "calls", function) }

    /// How often the fault with this name happened.
    public func faults(_ name: String) -> Int { lines(of: "faults", name) }

    private func lines(of list: String, _ line: String) -> Int {
        guard let text = try? String(contentsOfFile: folder + "/faults/" + list, encoding: .utf8) else { return 0 }
        return text.split(separator: "\n").filter { $0 == line }.count
    }

    /// The file in the state folder that records which PINs were tried; nil if there is none.
    public var pinMemory: String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/state")) ?? []
        return names.first { $0.hasPrefix("pin-attempts-") && !$0.hasSuffix(".lock") }.map { folder + "/state/" + $0 }
    }

    /// Waits until the fault module has been called this often.
    public func waitForCalls(_ function: String, _ count: Int) throws {
        for _ in 0..<2_000 where calls(function) < count { usleep(5_000) }
        guard calls(function) >= count else { throw Failure(description: "\(function) was called \(calls(function)) times") }
    }

    /// Imports a private key (PKCS#8 PEM) with SoftHSM's own tool.
    public func importKey(pem: String, id: String, label: String, token: String? = nil) throws {
        let path = folder + "/import.pem"
        try write(pem, to: path)
        try Self.run(
            "/usr/bin/env",
            [
                "SOFTHSM2_CONF=\(configurationFile)", "softhsm2-util", "--import", path, "--token", token ?? self.label, "--pin", "271828",
                "--id", id, "--label", label, "--force",
            ])
    }

    /// Changes the token "unit" with OpenSC's own tool.
    public func pkcs11Tool(_ arguments: [String]) throws {
        try Self.run(
            "/usr/bin/env",
            [
                "SOFTHSM2_CONF=\(configurationFile)", "pkcs11-tool", "--module", Self.softHSM, "--token-label", label, "--login", "--pin",
                "271828",
            ] + arguments)
    }

    /// Logs in as a person would, which clears CKF_USER_PIN_COUNT_LOW.
    public func logInByHand() throws { try importKey(pem: P256.Signing.PrivateKey().pemRepresentation, id: "FF", label: "by hand") }

    public func addToken(label: String) throws {
        try Self.run(
            "/usr/bin/env",
            [
                "SOFTHSM2_CONF=\(configurationFile)", "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "271828",
                "--so-pin", "5678",
            ])
    }

    private static func run(_ program: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitAsleep()
        guard process.terminationStatus == 0 else { throw Failure(description: "\(program) \(arguments)") }
    }
}

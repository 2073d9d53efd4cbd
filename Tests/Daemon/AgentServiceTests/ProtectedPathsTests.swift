import DurableFile
import Foundation
import Logging
import Testing

@testable import AgentService

/// A user who could change a file that decides about keys would decide about keys.
@Suite struct ProtectedPathsTests {
    /// The test's own folder, 0700.
    private static func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/owner-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }

    private static func write(_ text: String, to path: String, mode: mode_t) throws {
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        try #require(chmod(path, mode) == 0)
    }

    private func configuration(in folder: String, _ settings: String = "") throws -> String {
        let path = folder + "/acme-agentd.toml"
        try Self.write(
            """
            socket = "\(folder)/run/agent.sock"
            state-directory = "\(folder)/state"
            \(settings)
            [[token]]
            name = "fake"
            module = "/nowhere.so"
            uri = "pkcs11:token=fake"
            """, to: path, mode: 0o600)
        return path
    }

    private func start(_ file: String) throws {
        let daemon = try AgentDaemon(configurationFile: file, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try daemon.run(launcher: FakeToken()) { .stop("test") }
    }

    @Test func aConfigurationInAFolderOfOthersIsNotRead() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try configuration(in: folder)
        try start(file)
        try #require(chmod(folder, 0o777) == 0)
        #expect(throws: (any Error).self) { try start(file) }
    }

    @Test(arguments: ["state", "run"]) func theDaemonDoesNotStartOnAFolderOfOthers(_ name: String) throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = try configuration(in: folder)
        try start(file)
        try #require(chmod(folder + "/" + name, 0o777) == 0)
        #expect(throws: OwnershipError.self) { try start(file) }
        try #require(chmod(folder + "/" + name, 0o700) == 0)
        try start(file)
        guard geteuid() == 0 else { return }
        try #require(chown(folder + "/" + name, 4_711, 4_711) == 0)
        #expect(throws: OwnershipError.self) { try start(file) }
    }

    /// Who can replace the helper's program gets the PIN.
    @Test func aHelperThatOthersCouldWriteIsNotStarted() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let helper = folder + "/helper"
        try Self.write("#!/bin/sh\n", to: helper, mode: 0o755)
        let file = try configuration(in: folder, "helper = \"\(helper)\"")
        try start(file)
        try #require(chmod(helper, 0o775) == 0)
        #expect(throws: OwnershipError.self) { try start(file) }
    }

    @Test(arguments: [("", 0o750), ("socket-mode = \"0666\"", 0o755)])
    func theSocketsFolderIsTheGroupsUnlessEverybodyMayConnect(_ setting: String, _ mode: Int) throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try start(try configuration(in: folder, setting))
        var status = stat()
        try #require(stat(folder + "/run", &status) == 0)
        #expect(Int(status.st_mode & 0o7777) == mode)
    }
}

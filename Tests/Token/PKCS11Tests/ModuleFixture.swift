import Foundation
import PKCS11
import ProcessWaiting
import Testing

extension KeyProtection {
    /// The attributes of keys made here.
    static let full = KeyProtection(
        isSensitive: true, wasAlwaysSensitive: true, isExtractable: false, wasNeverExtractable: true, decrypts: false, unwraps: false,
        derives: false, signsWithRecovery: false)
}

/// SoftHSM in this process. PKCS#11's state belongs to the process, so all tests share one module, with a folder of
/// tokens that is removed when the process ends. Each test makes keys with its own names.
final class ModuleFixture: Sendable {
    static let shared = Result { try ModuleFixture() }

    let module: Module
    let folder: String

    private init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/acme-agent-pkcs11-\(UUID().uuidString)"
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
        for label in ["one", "two"] {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: repository + "/softhsm/token-up")
            process.arguments = [folder, label, "271828"]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            process.waitAsleep()
            try #require(process.terminationStatus == 0)
        }
        // SoftHSM reads it once, in C_Initialize; nothing else in this process needs it.
        setenv("SOFTHSM2_CONF", folder + "/softhsm2.conf", 1)
        module = try Module(path: "/usr/lib/softhsm/libsofthsm2.so")
        try module.initialize()
        Self.folderToRemove.withLock { $0 = folder }
        atexit { ModuleFixture.removeFolder() }
    }

    var pinFile: String { folder + "/one.pin" }

    /// A read/write session on the token "one", logged in.
    func session() throws -> Session {
        let token = try module.token(matching: TokenURI("pkcs11:token=one"))
        let session = try Session(module: module, slot: token.slot, readWrite: true)
        if try !session.isLoggedIn() { try session.logIn(PIN(file: pinFile)) }
        return session
    }
}

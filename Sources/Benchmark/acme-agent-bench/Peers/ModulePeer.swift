import PKCS11

/// A PKCS#11 module in this process: SoftHSM, or p11-kit's client of a p11-kit server. Two calls per signature,
/// C_SignInit and C_Sign.
final class ModulePeer {
    private let module: Module
    private let slot: UInt
    private let session: Session

    /// Loads a module and logs in. The environment that the module reads must already be set.
    init(path: String, uri: String, pinFile: String) throws {
        module = try Module(path: path)
        try module.initialize()
        slot = try module.token(matching: try TokenURI(uri)).slot
        session = try Session(module: module, slot: slot, readWrite: true)
        try session.logIn(try PIN(file: pinFile))
    }

    /// Makes a key with that label unless it exists.
    func makeKey(_ type: KeyType, label: String) throws {
        let id = Array(label.utf8)
        do { _ = try session.key(id: id, label: id) } catch PKCS11Error.noKey {
            _ = try session.generateKeyPair(type, id: id, label: id)
        }
    }

    /// Makes a key with a new ID without checking that the ID is free; for tokens with thousands of keys.
    func generate(_ type: KeyType, id: [UInt8], label: String) throws -> KeyObject {
        try session.generateKeyPair(type, id: id, label: Array(label.utf8), isIDUnique: true)
    }

    func load(label: String, _ scheme: SignatureScheme, input: Int, threads: Int, seconds: Double) throws -> Outcome {
        let digest = (0..<input).map { UInt8(truncatingIfNeeded: $0) }
        return try ThreadLoad.run(threads: threads, seconds: seconds) { [module, slot] _ in
            let session = try Session(module: module, slot: slot, readWrite: false)
            let key = try session.key(id: Array(label.utf8), label: Array(label.utf8))
            return {
                do { return try session.sign(digest, with: key, scheme) { _ in }.isEmpty == false } catch { return false }
            }
        }
    }
}

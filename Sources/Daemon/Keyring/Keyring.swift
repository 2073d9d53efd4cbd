import ACME
import DurableFile
import JOSE
import TokenProtocol

/// An entry of the key folder that cannot be used, with its path.
public struct KeyringError: Error, Sendable, CustomStringConvertible {
    public var description: String
    public init(_ description: String) { self.description = description }
}

/// The entries of the keys on disk: one file each, in a folder that only the daemon writes. Blocks on the disk.
public struct KeyFolder: Sendable {
    /// An entry is under 2 KiB with RSA-4096.
    private static let recordLimit = 16 * 1024

    private let path: String

    /// Makes the folder if it is missing.
    /// - Throws: `FileError`.
    public init(path: String) throws(FileError) {
        self.path = path
        try DurableFile.createFolder(path, mode: 0o700)
    }

    /// Every entry. One that cannot be read is an error, since a key would silently be missing.
    /// - Throws: `KeyringError` or `FileError`.
    public func records() throws -> [KeyRecord] {
        var records: [KeyRecord] = []
        for name in try DurableFile.names(in: path) where name.hasSuffix(".json") {
            let file = path + "/" + name
            let record: KeyRecord
            do { record = try KeyRecord(json: try DurableFile.read(file, limit: KeyFolder.recordLimit)) } catch {
                throw KeyringError("the key entry \(file) cannot be read: \(error)")
            }
            guard record.name.rawValue + ".json" == name else { throw KeyringError("the key entry \(file) names another key") }
            records.append(record)
        }
        return records
    }

    /// Writes an entry; it is on the disk when this returns.
    public func write(_ record: KeyRecord) throws(FileError) {
        try DurableFile.replace(file(of: record.name), with: record.json(), mode: 0o600)
    }

    /// Removes a key's entry from the disk; the key itself is the token's matter.
    public func remove(_ name: KeyName) throws(FileError) { try DurableFile.remove(file(of: name)) }

    private func file(of name: KeyName) -> String { path + "/" + name.rawValue + ".json" }
}

/// Names → keys, in memory; what is on the disk is `KeyFolder`'s. Belongs to one event loop.
public struct Keyring {
    private var keys: [String: SigningKey] = [:]
    /// Names of keys that are ready, in order. Kept, so that a listing of thousands need not sort them first.
    public private(set) var sortedNames: [String] = []
    private var unfinished: [String: KeyRecord] = [:]
    /// Public halves that have a name already: one key must not be an account key and a certificate key (RFC 8555 §11.1).
    private var names: [[UInt8]: KeyName] = [:]

    /// - Throws: `KeyringError` if a pinned public key is not valid.
    public init(_ records: [KeyRecord]) throws {
        keys.reserveCapacity(records.count)
        // In order, each name goes to the end of those before it.
        for record in records.sorted(by: { $0.name.rawValue < $1.name.rawValue }) {
            if record.state == .creating {
                begin(record)
                continue
            }
            do { _ = try put(record) } catch {
                throw KeyringError("the entry of the key \"\(record.name.rawValue)\" has a public key that is not valid: \(error)")
            }
        }
    }

    /// The key of that name, compared byte by byte.
    public func key(named name: String) -> SigningKey? { keys[name] }

    /// Whether no key is ready.
    public var isEmpty: Bool { keys.isEmpty }

    /// Keys whose making was begun and not ended: after a crash, or while the token works.
    public var begun: [KeyRecord] { unfinished.values.sorted { $0.name.rawValue < $1.name.rawValue } }

    /// Whether the name is free.
    public func isFree(_ name: KeyName) -> Bool { keys[name.rawValue] == nil && unfinished[name.rawValue] == nil }

    /// The name of the key with that SubjectPublicKeyInfo, if one has it.
    public func name(ofPublicKey spki: [UInt8]) -> KeyName? { names[spki] }

    /// A key is about to be made: its name is taken from now on.
    public mutating func begin(_ record: KeyRecord) { unfinished[record.name.rawValue] = record }

    /// A key was made, taken over, or changed its state.
    /// - Throws: an error if its public key is not valid.
    @discardableResult
    public mutating func put(_ record: KeyRecord) throws -> SigningKey {
        let key = try record.signingKey()
        unfinished[record.name.rawValue] = nil
        if keys.updateValue(key, forKey: record.name.rawValue) == nil {
            sortedNames.insert(record.name.rawValue, at: place(of: record.name.rawValue))
        }
        names[record.spki] = record.name
        return key
    }

    /// Forgets a name: its key was destroyed, or was never made.
    public mutating func remove(_ name: KeyName) {
        if let key = keys.removeValue(forKey: name.rawValue) {
            names[key.reference.spki] = nil
            sortedNames.remove(at: place(of: name.rawValue))
        }
        unfinished[name.rawValue] = nil
    }

    /// Where a name is in `sortedNames`, or would be.
    private func place(of name: String) -> Int {
        var low = 0, high = sortedNames.count
        while low < high {
            let middle = (low + high) / 2
            if sortedNames[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension KeyRecord {
    /// The entry of a key, in another state.
    public init(_ key: SigningKey, state: SigningKey.State) {
        self.init(
            name: key.name, usage: key.usage, algorithm: key.algorithm, state: state, token: key.token, id: key.reference.id,
            label: key.reference.label, spki: key.reference.spki, uri: key.uri, directory: key.directory, created: key.created)
    }
}

import ACME
import DurableFile

/// A key that is off because its entry cannot be used, and why. The name stays taken: a token may have its key.
public struct UnusableKey: Sendable, Hashable {
    public let name: KeyName
    /// A sentence without a full stop; names the entry.
    public let reason: String

    public init(name: KeyName, reason: String) {
        self.name = name
        self.reason = reason
    }
}

/// What is in the key folder.
public struct KeyFolderContents: Sendable {
    public var records: [KeyRecord] = []
    public var unusable: [UnusableKey] = []
    /// Files that are not entries: their names are not key names.
    public var strays: [String] = []
}

/// The entries of the keys on disk: one file each, in a folder that only the daemon writes. Blocks on the disk.
///
/// An entry says which key of the token a name means, so a user who could write one could get another user's key. The
/// folder and every entry are opened first and then checked: they must belong to root or to the daemon's user. Nobody
/// else may be able to write to them, or to anything on the path to the folder.
public struct KeyFolder: Sendable {
    /// An entry is under 2 KiB with RSA-4096.
    package static let recordLimit = 16 * 1024
    private static let folderRule = Ownership(owner: .rootOrSelf, forbidden: 0o022, judgesWay: true)
    /// What an entry must be for the daemon to use it.
    package static let recordRule = Ownership(owner: .rootOrSelf, forbidden: 0o022, wantsOneName: true, judgesWay: false)

    private let folder: Folder

    /// Makes the folder if it is missing, and opens it.
    /// - Throws: `FileError`; `OwnershipError` if others could change what is in it.
    public init(path: String) throws {
        try Folder.make(path, mode: 0o700)
        folder = try Folder.open(path, as: KeyFolder.folderRule)
    }

    /// Every entry. An unusable one does not keep the others from being read.
    /// - Throws: `FileError` if the folder cannot be read.
    public func contents() throws(FileError) -> KeyFolderContents {
        var contents = KeyFolderContents()
        for file in try folder.names() where file.hasSuffix(".json") && !file.hasPrefix(".") {
            guard let name = try? KeyName(String(file.dropLast(".json".count))) else {
                contents.strays.append(file)
                continue
            }
            do throws(KeyRecordError) {
                let record = try read(file)
                guard record.name == name else { throw KeyRecordError("it names another key") }
                contents.records.append(record)
            } catch {
                contents.unusable.append(UnusableKey(name: name, reason: "the key's entry \(file) cannot be used: \(error)"))
            }
        }
        return contents
    }

    private func read(_ file: String) throws(KeyRecordError) -> KeyRecord {
        let bytes: [UInt8]
        do {
            guard let opened = try folder.open(reading: file, as: KeyFolder.recordRule) else { throw KeyRecordError("it is gone") }
            bytes = try opened.read(limit: KeyFolder.recordLimit)
        } catch let error as OwnershipError {
            throw KeyRecordError("it \(error.reason)")
        } catch let error as FileError {
            throw KeyRecordError("it cannot be read: \(error.reason)")
        } catch {
            throw KeyRecordError("\(error)")
        }
        return try KeyRecord(json: bytes)
    }

    /// Writes an entry; it is on disk when this returns.
    public func write(_ record: KeyRecord) throws(FileError) {
        try folder.replace(KeyFolder.file(of: record.name), with: record.json(), mode: 0o600)
    }

    /// Removes a key's entry from the disk; the key itself stays in the token.
    public func remove(_ name: KeyName) throws(FileError) {
        try folder.remove(KeyFolder.file(of: name))
        try folder.synchronize()
    }

    private static func file(of name: KeyName) -> String { name.rawValue + ".json" }
}

import ACME
import DurableFile

/// The store in a folder; `FolderLayout` has the names. Its calls block on the disk.
///
/// A caller that changes a certificate or its journal must hold the certificate's lock.
public struct FolderStore: CertificateStore, RenewalStore {
    let layout: FolderLayout
    let files: StoreFiles
    /// The agent's socket for new key files; `nil` if it is the default one.
    let socket: String?
    /// The group of new key files; `nil` for the process's.
    let keyFileGroup: UInt32?

    /// - Parameters:
    ///   - folder: The state directory; created by the first write.
    ///   - socket: The agent's socket, which new key files name; `nil` for the default one.
    ///   - keyFileGroup: The group of new key files; `nil` for the process's.
    public init(folder: String, socket: String? = nil, keyFileGroup: UInt32? = nil) {
        self.init(folder: folder, socket: socket, keyFileGroup: keyFileGroup, calls: .real)
    }

    init(folder: String, socket: String? = nil, keyFileGroup: UInt32? = nil, calls: FileCalls) {
        self.socket = socket
        self.keyFileGroup = keyFileGroup
        var root = folder
        while root.utf8.count > 1, root.utf8.last == UInt8(ascii: "/") { root.removeLast() }
        layout = FolderLayout(root: root)
        files = StoreFiles(calls: calls)
    }

    /// The state directory.
    public var folder: String { layout.root }

    /// The file that is changed after each installation.
    public static func installationSignal(in folder: String) -> String { FolderLayout(root: folder).installationSignal }

    /// - Parameter mode: of new folders.
    func makeFolder(_ path: String, mode: UInt32 = FolderLayout.privateFolder) throws(StoreError) {
        try files.makeFolder(path, mode: mode, root: layout.root)
    }

    /// Makes a folder next to the store's own, for its user's data that others must not read.
    public func makePrivateFolder(_ name: String) throws(StoreError) { try makeFolder("\(layout.root)/\(name)") }

    // MARK: Accounts

    public func account(at directory: ACMEURL) async throws(StoreError) -> StoredAccount? {
        let path = layout.account(directory)
        guard let bytes = try files.read(path) else { return nil }
        let account = try read(path, bytes)
        guard account.directory == directory else { throw StoreError(.damaged, path: path, message: "the account is for another CA") }
        return account
    }

    public func accounts() async throws(StoreError) -> [StoredAccount] {
        var result: [StoredAccount] = []
        for name in try files.names(in: layout.accounts) where name.hasSuffix(".json") {
            let path = "\(layout.accounts)/\(name)"
            if let bytes = try files.read(path) { result.append(try read(path, bytes)) }
        }
        return result
    }

    private func read(_ path: String, _ bytes: [UInt8]) throws(StoreError) -> StoredAccount {
        do throws(StoreError) { return try StoredAccount(bytes, path: path) } catch {
            throw error.advising("remove the file; `acme-agent account register` finds the account again by its key")
        }
    }

    public func save(_ account: StoredAccount) async throws(StoreError) {
        try makeFolder(layout.accounts)
        let path = layout.account(account.directory)
        try files.replace(path, with: try account.encoded(for: path), mode: FolderLayout.privateFile)
    }

    public func removeAccount(at directory: ACMEURL) async throws(StoreError) { try files.remove(layout.account(directory)) }

    // MARK: Compromised keys

    public func markCompromised(_ key: CompromisedKey) async throws(StoreError) {
        guard let path = layout.compromisedKey(key.key.fingerprint) else {
            throw StoreError(.damaged, message: "the fingerprint of key \"\(key.key.name)\" is not a SHA-256")
        }
        var key = key
        if let bytes = try files.read(path) {
            // The first report's time stays. The file is written again: an earlier attempt may have failed to sync it.
            do throws(StoreError) { key.reported = try CompromisedKey(bytes, path: path).reported } catch {
                guard error.reason != .newerFormat else { return }
            }
        }
        try makeFolder(layout.compromisedKeys)
        try files.replace(path, with: try key.encoded(for: path), mode: FolderLayout.privateFile)
    }

    /// The file's name says it: a file that is damaged, or in a newer format, counts as well.
    public func isCompromised(_ fingerprint: String) async throws(StoreError) -> Bool {
        guard let path = layout.compromisedKey(fingerprint) else { return false }
        return try files.read(path) != nil
    }

    /// The fingerprints of all of them, for those who look at many certificates.
    public func compromisedKeys() throws(StoreError) -> Set<String> {
        Set(try files.names(in: layout.compromisedKeys).filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) })
    }

    // MARK: Outgoing keys

    public func markOutgoing(_ key: OutgoingKey) async throws(StoreError) {
        guard let path = layout.outgoingKey(key.key.fingerprint) else {
            throw StoreError(.damaged, message: "the fingerprint of key \"\(key.key.name)\" is not a SHA-256")
        }
        try makeFolder(layout.outgoingKeys)
        try files.replace(path, with: try key.encoded(for: path), mode: FolderLayout.privateFile)
    }

    public func outgoingKeys(damaged: (StoreError) -> Void) async throws(StoreError) -> [OutgoingKey] {
        var result: [OutgoingKey] = []
        for name in try files.names(in: layout.outgoingKeys) where name.hasSuffix(".json") {
            let path = "\(layout.outgoingKeys)/\(name)"
            do throws(StoreError) {
                if let bytes = try files.read(path) { result.append(try OutgoingKey(bytes, path: path)) }
            } catch { damaged(error) }
        }
        return result
    }

    public func removeOutgoing(_ fingerprint: String) async throws(StoreError) {
        if let path = layout.outgoingKey(fingerprint) { try files.remove(path) }
    }

    // MARK: Renewals

    public func renewalRecord(named name: CertificateName) async throws(StoreError) -> RenewalRecord {
        let path = layout.renewal(name)
        guard let bytes = try files.read(path) else { return RenewalRecord(name: name) }
        let record = try RenewalRecord(bytes, path: path)
        guard record.name == name else { throw StoreError(.damaged, path: path, message: "the record is for another certificate") }
        return record
    }

    public func write(_ record: RenewalRecord) async throws(StoreError) {
        try makeFolder(layout.renewals)
        let path = layout.renewal(record.name)
        try files.replace(path, with: try record.encoded(for: path), mode: FolderLayout.privateFile)
    }

    public func removeRenewalRecord(named name: CertificateName) async throws(StoreError) { try files.remove(layout.renewal(name)) }

    public func orderCount(at directory: ACMEURL) throws(StoreError) -> OrderCount {
        let path = layout.orderCount(directory)
        guard let bytes = try files.read(path) else { return OrderCount(directory: directory) }
        let count = try OrderCount(bytes, path: path)
        guard count.directory == directory else { throw StoreError(.damaged, path: path, message: "the count is for another CA") }
        return count
    }

    /// Removes counts whose writing was cut off: they are not written again before the next order.
    public func removeUnfinishedOrderCounts() {
        guard let folder = try? Folder(layout.orderCounts, calls: files.calls), let names = try? folder.names() else { return }
        for name in names where name.utf8.first == UInt8(ascii: ".") { _ = try? folder.remove(name) }
    }

    public func write(_ count: OrderCount) throws(StoreError) {
        try makeFolder(layout.orderCounts)
        let path = layout.orderCount(count.directory)
        try files.replace(path, with: try count.encoded(for: path), mode: FolderLayout.privateFile)
    }

    // MARK: Journal

    public func journal(named name: CertificateName) async throws(StoreError) -> OrderJournal? {
        let path = layout.order(name)
        guard let bytes = try files.read(path) else { return nil }
        do throws(StoreError) {
            let journal = try OrderJournal(bytes, path: path)
            guard journal.name == name else { throw StoreError(.damaged, path: path, message: "the journal is for another certificate") }
            return journal
        } catch { throw error.advising("`acme-agent forget \(name) --order` drops the order and keeps the certificate") }
    }

    public func journalNames() async throws(StoreError) -> [CertificateName] {
        var result: [CertificateName] = []
        for file in try files.names(in: layout.orders) where file.hasSuffix(".json") {
            if let name = try? CertificateName(String(file.dropLast(5))) { result.append(name) }
        }
        return result.sorted()
    }

    public func write(_ journal: OrderJournal) async throws(StoreError) {
        try makeFolder(layout.orders)
        let path = layout.order(journal.name)
        try files.replace(path, with: try journal.encoded(for: path), mode: FolderLayout.privateFile)
    }

    public func removeJournal(named name: CertificateName) async throws(StoreError) { try files.remove(layout.order(name)) }

    // MARK: Lock

    public func lock(_ name: CertificateName) async throws(StoreError) -> any CertificateLock {
        try makeFolder(layout.locks)
        return try FolderLock(layout.lock(name), "certificate \"\(name)\"")
    }

    /// Whether a process works on a certificate, as far as this user can see. Makes and removes nothing, and follows no
    /// link.
    public func isLocked(_ name: CertificateName) -> Bool {
        let (_, file) = DurableFile.split(layout.lock(name))
        guard let root = try? Folder(layout.root), let locks = try? root.folder(FolderLayout.locksFolder),
            let lock = try? locks.open(reading: file)
        else { return false }
        return lock.isLocked
    }

    public func lockAccount(at directory: ACMEURL) async throws(StoreError) -> any CertificateLock {
        try makeFolder(layout.locks)
        return try FolderLock(layout.accountLock(directory), "the account at \(directory.origin)")
    }
}

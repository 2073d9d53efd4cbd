import ACME
import JOSE
import TokenProtocol

/// Names → keys, in memory; `KeyFolder` has what is on disk. Belongs to one event loop.
public struct Keyring {
    private var keys: [KeyName: SigningKey] = [:]
    /// Names of keys that are ready, in order. Kept, so that a listing of thousands need not sort them.
    public private(set) var sortedNames: [KeyName] = []
    /// Keys that are ready, by kind. Kept, so that a count need not look at thousands.
    public private(set) var counts: [Kind: Int] = [:]
    private var unfinished: [KeyName: KeyRecord] = [:]
    private var unusable: [KeyName: UnusableKey] = [:]
    /// Keys that can leave their token or do more than sign.
    public private(set) var weakKeys: [KeyName: KeyWeaknesses] = [:]
    /// Keys for which that is unknown: a version that did not check gave them their names.
    public private(set) var keysOfUnknownWeakness: Set<KeyName> = []
    /// Public halves that have a name already: one key must not be an account key and a certificate key (RFC 8555
    /// §11.1).
    private var names: [[UInt8]: KeyName] = [:]

    /// What keys are counted by.
    public struct Kind: Hashable, Sendable {
        public let usage: KeyUsage
        public let state: SigningKey.State

        init(_ key: SigningKey) {
            usage = key.usage
            state = key.state
        }
    }

    public init() {}

    /// Entries that contradict each other are not used: one key of a token has one name.
    public init(_ contents: KeyFolderContents) {
        for key in contents.unusable { unusable[key.name] = key }
        let doubles = Keyring.doubles(among: contents.records)
        keys.reserveCapacity(contents.records.count)
        // In order, so that each name is appended to the sorted ones.
        for record in contents.records.sorted(by: { $0.name < $1.name }) {
            if let reason = doubles[record.name] {
                unusable[record.name] = UnusableKey(name: record.name, reason: reason)
            } else if let key = record.signingKey {
                put(key)
            } else {
                begin(record)
            }
        }
    }

    /// Names whose entries mean the same key as another's: the same public half, or the same objects of a token. A
    /// caller who may know of one of the names need not know of the other.
    private static func doubles(among records: [KeyRecord]) -> [KeyName: String] {
        var byPublicKey: [[UInt8]: [KeyName]] = [:]
        var byObject: [Object: [KeyName]] = [:]
        for record in records {
            if let spki = record.pinned?.reference.spki { byPublicKey[spki, default: []].append(record.name) }
            if let object = Object(record) { byObject[object, default: []].append(record.name) }
        }
        var reasons: [KeyName: String] = [:]
        for names in byObject.values where names.count > 1 {
            for name in names {
                reasons[name] = "its entry and another one name the same objects in the token; none of them is used"
            }
        }
        for names in byPublicKey.values where names.count > 1 {
            for name in names { reasons[name] = "its entry and another one name the same public key; none of them is used" }
        }
        return reasons
    }

    /// What identifies a key in a token.
    private struct Object: Hashable {
        let token: String
        let id: [UInt8]
        let label: String

        init?(_ record: KeyRecord) {
            token = record.token
            switch record.state {
            case .creating(.making(let id)):
                self.id = id
                label = record.name.rawValue
            case .creating(.adopting): return nil
            case .active(let key), .retired(let key):
                id = key.reference.id
                label = key.reference.label
            }
        }
    }

    public func key(named name: KeyName) -> SigningKey? { keys[name] }

    /// The first names that begin with a key pattern's prefix, in order.
    public func names(withPrefix prefix: String, limit: Int) -> [KeyName] {
        let start = (try? KeyName(prefix)).map { place(of: $0) } ?? 0
        return Array(sortedNames[start...].prefix(limit).prefix { $0.rawValue.utf8.starts(with: prefix.utf8) })
    }

    /// Why the key of that name is off, if it is.
    public func unusableKey(named name: KeyName) -> UnusableKey? { unusable[name] }

    /// Keys that are off because of their entries, in order.
    public var unusableKeys: [UnusableKey] { unusable.values.sorted { $0.name < $1.name } }

    /// Whether a key is off because of its entry.
    public var hasUnusableKeys: Bool { !unusable.isEmpty }

    /// Whether no key is ready.
    public var isEmpty: Bool { keys.isEmpty }

    /// Keys whose creation was started and not finished: after a crash, or while the token works.
    public var begun: [KeyRecord] { unfinished.values.sorted { $0.name < $1.name } }

    /// The entry of a key whose creation was started and not finished.
    public func begunKey(named name: KeyName) -> KeyRecord? { unfinished[name] }

    /// Whether the name is free.
    public func isFree(_ name: KeyName) -> Bool { keys[name] == nil && unfinished[name] == nil && unusable[name] == nil }

    /// The name of the key with that SubjectPublicKeyInfo, if one has it.
    public func name(ofPublicKey spki: [UInt8]) -> KeyName? { names[spki] }

    /// A key is about to be created or adopted: its name is taken from now on.
    public mutating func begin(_ record: KeyRecord) { unfinished[record.name] = record }

    /// A key was created or adopted, or has changed its state.
    public mutating func put(_ key: SigningKey) {
        unfinished[key.name] = nil
        if let former = keys.updateValue(key, forKey: key.name) {
            count(former, -1)
        } else {
            sortedNames.insert(key.name, at: place(of: key.name))
        }
        count(key, 1)
        names[key.reference.spki] = key.name
        weakKeys[key.name] = key.weaknesses.flatMap { $0.isEmpty ? nil : $0 }
        if key.weaknesses == nil { keysOfUnknownWeakness.insert(key.name) } else { keysOfUnknownWeakness.remove(key.name) }
    }

    /// Forgets a name: its key was destroyed, or was never made.
    public mutating func remove(_ name: KeyName) {
        if let key = keys.removeValue(forKey: name) {
            count(key, -1)
            names[key.reference.spki] = nil
            sortedNames.remove(at: place(of: name))
            weakKeys[name] = nil
            keysOfUnknownWeakness.remove(name)
        }
        unfinished[name] = nil
    }

    private mutating func count(_ key: SigningKey, _ change: Int) { counts[Kind(key), default: 0] += change }

    /// Where a name is in `sortedNames`, or would be.
    private func place(of name: KeyName) -> Int {
        var low = 0, high = sortedNames.count
        while low < high {
            let middle = (low + high) / 2
            if sortedNames[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

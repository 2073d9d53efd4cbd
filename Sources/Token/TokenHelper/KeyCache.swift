import PKCS11
import Synchronization
import TokenProtocol

/// Caches the handles of used keys for the sessions of one generation: a lookup in the token reads all its objects.
final class KeyCache: Sendable {
    private struct Contents {
        var generation: UInt64 = 0
        var keys: [TokenKeyReference: KeyObject] = [:]
    }
    private let contents = Mutex(Contents())
    private let search = Mutex(())

    /// The key of `reference`: the cached one of `generation`, or else the result of `find`, which is cached.
    ///
    /// One search at a time. A token takes a third of a second for a search among 10,000 keys and runs searches one
    /// after another, so that parallel searches of all signing threads would take longer than the daemon waits. After
    /// the first search a listing may have found the other keys.
    func key<Failure: Error>(
        _ reference: TokenKeyReference, generation: UInt64, find: () throws(Failure) -> KeyObject
    ) throws(Failure) -> KeyObject {
        if let key = key(reference, generation: generation) { return key }
        return try search.withLock { _ throws(Failure) in
            if let key = key(reference, generation: generation) { return key }
            let key = try find()
            insert(key, for: reference, generation: generation)
            return key
        }
    }

    /// The key cached in `generation` that has the public half in `reference`.
    func key(_ reference: TokenKeyReference, generation: UInt64) -> KeyObject? {
        contents.withLock { $0.generation == generation ? $0.keys[reference] : nil }
    }

    /// Caches `key` for `reference`, unless its generation has passed.
    func insert(_ key: KeyObject, for reference: TokenKeyReference, generation: UInt64) {
        contents.withLock {
            if $0.generation < generation {
                $0.keys.removeAll(keepingCapacity: true)
                $0.generation = generation
            }
            guard $0.generation == generation else { return }
            if $0.keys.count >= Self.mostKeys { $0.keys.removeAll(keepingCapacity: true) }
            $0.keys[reference] = key
        }
    }

    /// Forgets a key that was destroyed or whose handle is stale.
    func remove(_ reference: TokenKeyReference) {
        contents.withLock { _ = $0.keys.removeValue(forKey: reference) }
    }

    /// A handle with its names takes about 300 bytes: at most 10 MB.
    private static let mostKeys = 32_768
}

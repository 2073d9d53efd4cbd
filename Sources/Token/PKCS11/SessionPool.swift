import CPKCS11
import Glibc

/// A bounded set of signing sessions, opened on first use and kept: tokens offer few (YubiHSM and ykcs11: 16 in all),
/// and some fail when sessions are opened in quick succession. The session that holds the login is not one of them.
///
/// Each session carries the pool's generation. A login, a lost device or C_Initialize starts a new generation, which
/// invalidates everything cached about objects.
public final class SessionPool: @unchecked Sendable {
    /// A session from the pool. Return it with `checkIn`.
    public struct Lease {
        /// For one thread, until it is returned.
        public let session: Session
        /// The generation in which the session was opened.
        public let generation: UInt64
    }

    private let module: Module
    private let readWrite: Bool
    // Guarded by the mutex. `Mutex` has no condition variable.
    private var capacity: Int
    private var slot: CK_SLOT_ID?
    private var idle: [Lease] = []
    private var out = 0
    private var current: UInt64 = 0
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// At most `capacity` sessions at a time (at least one). Closed until `open(slot:)`.
    public init(module: Module, capacity: Int, readWrite: Bool) {
        self.module = module
        self.capacity = max(1, capacity)
        self.readWrite = readWrite
        mutex.initialize(to: pthread_mutex_t())
        changed.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// The number of the current generation.
    public var generation: UInt64 { locked { current } }

    /// Starts a generation on `slot`. Sessions of earlier ones are closed: idle ones now, those in use when they are
    /// returned.
    public func open(slot: CK_SLOT_ID) {
        let old = locked {
            self.slot = slot
            current += 1
            defer { idle = [] }
            pthread_cond_broadcast(changed)
            return idle
        }
        // Outside the lock: a token may take its time.
        for lease in old { lease.session.close() }
    }

    /// Refuses requests until `open`, and waits until every session is returned. Afterwards no thread is inside the
    /// module through this pool.
    public func drain() {
        let old = locked {
            slot = nil
            current += 1
            while out > 0 { pthread_cond_wait(changed, mutex) }
            defer { idle = [] }
            return idle
        }
        for lease in old { lease.session.close() }
    }

    /// A session of the current generation; waits while all are in use. Throws the failed C_OpenSession, or
    /// CKR_TOKEN_NOT_PRESENT while the pool is closed.
    public func checkOut() throws(PKCS11Error) -> Lease {
        pthread_mutex_lock(mutex)
        while true {
            guard let slot else {
                pthread_mutex_unlock(mutex)
                throw .call("C_OpenSession", CKR_TOKEN_NOT_PRESENT)
            }
            if let lease = idle.popLast() {
                out += 1
                pthread_mutex_unlock(mutex)
                return lease
            }
            if out < capacity {
                out += 1
                let generation = current
                pthread_mutex_unlock(mutex)
                do {
                    return Lease(session: try Session(module: module, slot: slot, readWrite: readWrite), generation: generation)
                } catch {
                    pthread_mutex_lock(mutex)
                    out -= 1
                    pthread_cond_broadcast(changed)
                    // The token has fewer sessions than requested: use those there are.
                    if let failure = error.cryptoki, failure.returnValue.rawValue == CKR_SESSION_COUNT, out + idle.count > 0 {
                        capacity = out + idle.count
                        continue
                    }
                    pthread_mutex_unlock(mutex)
                    throw error
                }
            }
            pthread_cond_wait(changed, mutex)
        }
    }

    /// Returns a session. It is closed if it is not `reusable` or belongs to an earlier generation.
    public func checkIn(_ lease: Lease, reusable: Bool) {
        pthread_mutex_lock(mutex)
        if reusable, lease.generation == current {
            idle.append(lease)
            out -= 1
            pthread_cond_signal(changed)
            pthread_mutex_unlock(mutex)
            return
        }
        pthread_mutex_unlock(mutex)
        // Close first, then count it as returned: otherwise `drain` could let C_Finalize overtake C_CloseSession.
        lease.session.close()
        locked {
            out -= 1
            pthread_cond_broadcast(changed)
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}

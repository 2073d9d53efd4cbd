import Glibc
import Synchronization

/// The thread that waits for the disk. An event loop waits for it only when a full file is rotated.
final class AuditThread: Sendable {
    private let core: AuditCore
    private let thread: Mutex<pthread_t?>

    init(core: AuditCore) throws(AuditError) {
        self.core = core
        var thread = pthread_t()
        let context = Unmanaged.passRetained(core)
        let number = pthread_create(
            &thread, nil,
            { context in
                if let context { AuditThread.run(Unmanaged<AuditCore>.fromOpaque(context).takeRetainedValue()) }
                return nil
            }, context.toOpaque())
        guard number == 0 else {
            context.release()
            throw .system("pthread_create", file: core.opening.folder.path, errorNumber: number)
        }
        self.thread = Mutex(thread)
    }

    private static func run(_ core: AuditCore) {
        while true {
            core.tellNotices()
            switch core.nextStep() {
            case .synchronize(let file, let sequence, let hash): core.synchronize(file, upTo: sequence, hash)
            case .goOn: core.goOn()
            case .endOutage: core.endOutage()
            case .look: core.look()
            case .remember(let head): core.remember(head)
            case .wait(let deadline):
                core.wake.wait(until: deadline)
                if core.failure != nil { core.failWaiters() }
            case .stop:
                core.failWaiters()
                core.tellNotices()
                return
            }
        }
    }

    /// Lets the thread sync what is left, ends it and waits for that. Must not be called from a completion.
    func stop() {
        core.stop()
        let thread = thread.withLock { thread -> pthread_t? in
            defer { thread = nil }
            return thread
        }
        guard let thread else { return }
        if pthread_equal(thread, pthread_self()) != 0 { pthread_detach(thread) } else { pthread_join(thread, nil) }
    }
}

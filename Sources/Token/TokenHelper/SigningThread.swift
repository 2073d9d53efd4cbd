import Glibc

/// A thread with a blocking link. Cryptoki calls block, so they must not run on Swift's cooperative threads.
final class SigningThread {
    private let descriptor: Int32
    private let keeper: TokenKeeper

    private init(descriptor: Int32, keeper: TokenKeeper) {
        self.descriptor = descriptor
        self.keeper = keeper
    }

    /// False if the system has no thread left.
    static func start(descriptor: Int32, keeper: TokenKeeper) -> Bool {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return false }
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, stackSize)
        let thread = Unmanaged.passRetained(SigningThread(descriptor: descriptor, keeper: keeper))
        var identifier = pthread_t()
        let failure = pthread_create(
            &identifier, &attributes,
            { argument in
                if let argument {
                    let thread = Unmanaged<SigningThread>.fromOpaque(argument).takeRetainedValue()
                    SigningLink.run(descriptor: thread.descriptor, keeper: thread.keeper)
                }
                return nil
            }, thread.toOpaque())
        guard failure == 0 else {
            thread.release()
            return false
        }
        return true
    }

    /// Vendor code runs on it; memory is committed only as it is used.
    private static let stackSize = 1 << 20
}

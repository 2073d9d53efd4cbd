import CMeasurement
import Glibc

/// A file that one program sees in the place of another, and nobody else.
enum PrivateMount {
    /// Runs `body` on a thread with a mount namespace of its own, in which `file` is at `path`; a program that is started there stays there.
    /// - Throws: `BenchError` where this user may not mount (CAP_SYS_ADMIN), and what the body throws.
    static func with<Value>(_ file: String, at path: String, _ body: @escaping () throws -> Value) throws -> Value {
        let work = Work {
            guard cmeasurement_mount_privately(file, path) == 0 else { throw BenchError.system("mount \(path)") }
            return try body()
        }
        var thread = pthread_t()
        let number = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer { Unmanaged<AnyWork>.fromOpaque(pointer).takeUnretainedValue().run() }
                return nil
            }, Unmanaged.passUnretained(work as AnyWork).toOpaque())
        guard number == 0 else { throw BenchError("pthread_create: \(String(cString: strerror(number)))") }
        pthread_join(thread, nil)
        guard let result = work.result else { throw BenchError("the thread has done nothing") }
        return try result.get()
    }

    private class AnyWork { func run() {} }

    private final class Work<Value>: AnyWork {
        private let body: () throws -> Value
        private(set) var result: Result<Value, any Error>?

        init(_ body: @escaping () throws -> Value) { self.body = body }

        override func run() { result = Result { try body() } }
    }
}

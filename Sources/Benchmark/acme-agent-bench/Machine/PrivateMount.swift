import CMeasurement
import Glibc

/// A file that only one program sees in place of another.
enum PrivateMount {
    /// Runs `body` on a thread with its own mount namespace, in which `file` is mounted at `path`. Programs started
    /// there stay in that namespace.
    /// - Throws: `BenchError` if this user may not mount (CAP_SYS_ADMIN), and what `body` throws.
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

import Glibc

/// Several loads at the same time.
enum Together {
    /// Runs `first` on a new thread and `second` on this one, and waits for both.
    static func run(_ first: @escaping () throws -> Outcome, _ second: () throws -> Outcome) throws -> (Outcome, Outcome) {
        let other = try Other(first)
        let result = Result { try second() }
        return (try other.wait(), try result.get())
    }

    /// Runs each on a new thread, and waits for all.
    static func run(_ loads: [() throws -> Outcome]) throws -> [Outcome] {
        let others = try loads.map { try Other($0) }
        let results = others.map { other in Result { try other.wait() } }
        return try results.map { try $0.get() }
    }

    private final class Other {
        private let body: () throws -> Outcome
        private var thread = pthread_t()
        private var result: Result<Outcome, any Error> = .failure(BenchError("the load has not run"))

        init(_ body: @escaping () throws -> Outcome) throws {
            self.body = body
            let number = pthread_create(
                &thread, nil,
                { pointer in
                    if let pointer { Unmanaged<Other>.fromOpaque(pointer).takeRetainedValue().run() }
                    return nil
                }, Unmanaged.passRetained(self).toOpaque())
            guard number == 0 else {
                Unmanaged.passUnretained(self).release()
                throw BenchError("pthread_create: \(String(cString: strerror(number)))")
            }
        }

        private func run() { result = Result { try body() } }

        func wait() throws -> Outcome {
            pthread_join(thread, nil)
            return try result.get()
        }
    }
}

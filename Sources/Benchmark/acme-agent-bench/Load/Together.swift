import Glibc

/// Two loads at the same time.
enum Together {
    /// Runs `first` on a thread of its own and `second` on this one, and waits for both.
    static func run(_ first: @escaping () throws -> Outcome, _ second: () throws -> Outcome) throws -> (Outcome, Outcome) {
        let other = Other(first)
        var thread = pthread_t()
        let number = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer { Unmanaged<Other>.fromOpaque(pointer).takeUnretainedValue().run() }
                return nil
            }, Unmanaged.passUnretained(other).toOpaque())
        guard number == 0 else { throw BenchError("pthread_create: \(String(cString: strerror(number)))") }
        let result = Result { try second() }
        pthread_join(thread, nil)
        return (try other.result.get(), try result.get())
    }

    private final class Other {
        private let body: () throws -> Outcome
        private(set) var result: Result<Outcome, any Error> = .failure(BenchError("the load has not run"))

        init(_ body: @escaping () throws -> Outcome) { self.body = body }

        func run() { result = Result { try body() } }
    }
}

import Glibc

/// Calls of a function in this process by several threads.
enum ThreadLoad {
    /// Runs `count` threads for `seconds`, after a tenth of that to warm up.
    /// - Parameter makeCall: makes the function that one thread calls repeatedly; runs on the calling thread. A call
    ///   that returns `false` failed.
    static func run(threads count: Int, seconds: Double, makeCall: (Int) throws -> () -> Bool) throws -> Outcome {
        let workers = try (0..<count).map { Worker(call: try makeCall($0)) }
        let start = Clock.nanoseconds() + 2_000_000
        let measuredFrom = start + UInt64(seconds * 1e8), end = start + UInt64(seconds * 1.1e9)
        var handles: [pthread_t] = []
        for worker in workers {
            worker.measuredFrom = measuredFrom
            worker.end = end
            var handle = pthread_t()
            let number = pthread_create(
                &handle, nil,
                { pointer in
                    if let pointer { Unmanaged<Worker>.fromOpaque(pointer).takeUnretainedValue().run() }
                    return nil
                }, Unmanaged.passUnretained(worker).toOpaque())
            guard number == 0 else { throw BenchError("pthread_create: \(String(cString: strerror(number)))") }
            handles.append(handle)
        }
        let processor = ownProcessorTime(at: measuredFrom)
        for handle in handles { pthread_join(handle, nil) }
        var outcome = Outcome()
        outcome.cpu = processorTime() - processor
        for worker in workers {
            outcome.calls += worker.latencies.count
            outcome.failures += worker.failures
            outcome.latencies += worker.latencies
        }
        outcome.seconds = Double(end - measuredFrom) / 1e9
        return outcome
    }

    /// This process's CPU time at that moment.
    private static func ownProcessorTime(at moment: UInt64) -> Double {
        let now = Clock.nanoseconds()
        if now < moment { usleep(UInt32((moment - now) / 1_000)) }
        return processorTime()
    }

    private static func processorTime() -> Double { Clock.processor([getpid()]) }

    /// One thread.
    private final class Worker {
        private let call: () -> Bool
        var measuredFrom: UInt64 = 0
        var end: UInt64 = 0
        var latencies: [Float] = []
        var failures = 0

        init(call: @escaping () -> Bool) {
            self.call = call
            latencies.reserveCapacity(65_536)
        }

        func run() {
            var began = Clock.nanoseconds()
            while began < end {
                let isRight = call()
                let ended = Clock.nanoseconds()
                if began >= measuredFrom {
                    latencies.append(Float(ended - began) / 1_000)
                    if !isRight { failures += 1 }
                }
                began = ended
            }
        }
    }
}

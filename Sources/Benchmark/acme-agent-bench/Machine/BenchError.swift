import Glibc

/// Why something could not be measured, as a sentence.
struct BenchError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    /// A failed system call.
    static func system(_ call: String) -> BenchError {
        let number = errno
        return BenchError("\(call): \(String(cString: strerror(number)))")
    }
}

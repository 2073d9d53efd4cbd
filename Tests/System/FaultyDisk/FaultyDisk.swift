import DurableFile
import Glibc
import Synchronization

/// The real disk, which records its calls, and makes those fail that a test chooses.
public final class FaultyDisk: Sendable {
    public enum Call: Equatable, Sendable { case write, truncate, synchronize, synchronizeData, rename }

    private struct State {
        var made: [Call] = []
        /// Indices of the calls that fail, counted from the last `clear`.
        var failing: Range<Int> = 0..<0
        /// The only kind of call that fails; `nil` for all.
        var kind: Call?
    }

    private let state = Mutex(State())
    /// The `errno` of failing calls.
    private let number: Int32

    public init(number: Int32 = ENOSPC) { self.number = number }

    /// The calls since the last `clear`.
    public var made: [Call] { state.withLock { $0.made } }

    /// Makes the disk work again, and restarts the count at 0.
    public func clear() { state.withLock { $0 = State() } }

    /// Makes the call with this index fail, and every later one: a full disk stays full.
    public func fail(from index: Int) { fail(index..<Int.max) }

    /// Makes only the call with this index fail, counted from 0.
    public func fail(at index: Int) { fail(index..<index + 1) }

    /// Makes every call of this kind fail.
    public func fail(_ kind: Call) { state.withLock { $0 = State(failing: 0..<Int.max, kind: kind) } }

    private func fail(_ indices: Range<Int>) { state.withLock { $0 = State(failing: indices) } }

    private func fails(_ call: Call) -> Bool {
        state.withLock { state in
            defer { state.made.append(call) }
            return state.failing.contains(state.made.count) && (state.kind ?? call) == call
        }
    }

    private func failed() -> Int32 {
        errno = number
        return -1
    }

    public var calls: FileCalls {
        var calls = FileCalls()
        calls.write = { file, bytes in
            guard self.fails(.write) else { return write(file, bytes.baseAddress, bytes.count) }
            // Like the kernel: what fits is written.
            _ = write(file, bytes.baseAddress, bytes.count / 2)
            return Int(self.failed())
        }
        calls.truncate = { file, size in self.fails(.truncate) ? self.failed() : ftruncate(file, off_t(size)) }
        calls.synchronize = { file in self.fails(.synchronize) ? self.failed() : fsync(file) }
        calls.synchronizeData = { file in self.fails(.synchronizeData) ? self.failed() : fdatasync(file) }
        calls.rename = { folder, old, new in self.fails(.rename) ? self.failed() : renameat(folder, old, folder, new) }
        return calls
    }
}

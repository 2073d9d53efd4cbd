import CPKCS11
import DurableFile
import Glibc

/// A user PIN, in its own memory page, which is locked, left out of core dumps, and wiped when the value is destroyed.
/// It is read from a file straight into that page and never becomes a String, an Array or Data.
public struct PIN: ~Copyable, Sendable {
    /// Why a PIN file is not accepted.
    public enum SourceError: Error, Hashable, Sendable {
        /// It cannot be opened or read; the system's error number.
        case unreadable(errno: Int32)
        /// It is a FIFO, a folder, a device.
        case notRegularFile
        /// It belongs to neither root nor the user of this process.
        case wrongOwner(uid: UInt32)
        /// Its group or others may read or write it.
        case wrongMode(UInt32)
        /// Another user could replace it: a folder or link on its path is not controlled by root or this user alone.
        case untrustedWay(path: String, reason: String)
        /// It holds nothing.
        case empty
        /// It holds more than `longest` bytes.
        case tooLong
        /// No memory could be allocated for it.
        case noMemory
        /// It holds something that cannot be a PIN, so no login is spent on it. `line` counts from 1.
        case malformed(line: Int, Flaw)
    }

    /// What no PIN file holds on purpose.
    public enum Flaw: Hashable, Sendable {
        /// There is more after the first line.
        case secondLine
        /// A carriage return, for example of a file written on another system.
        case carriageReturn
        /// A blank before or after the PIN.
        case blankAtStart, blankAtEnd
        /// U+FEFF at the beginning, which some editors put there.
        case byteOrderMark
        /// A byte below 0x20, or 0x7F; for example NUL or a tab.
        case controlCharacter
        /// Cryptoki takes PINs in UTF-8 (PKCS#11 v2.40 §2.2, CK_UTF8CHAR).
        case notUTF8
    }

    /// The most bytes of a PIN; tokens allow fewer.
    public static let longest = 256
    private static let pageSize = 4096

    private nonisolated(unsafe) let page: UnsafeMutableRawPointer
    private let length: Int

    /// Reads the PIN from the file at `path`: a regular file of root or of this process's user, without any access for
    /// group and others, or a credential that systemd gave to this service; checked after opening. One line of UTF-8;
    /// one line feed at its end does not count.
    public init(file path: String) throws(SourceError) {
        let file = try Self.open(path)
        guard let page = mmap(nil, Self.pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page != MAP_FAILED else {
            throw .noMemory
        }
        // Best effort: without the right to lock memory only the wipe remains. The process is undumpable anyway, so no
        // core file could have the page (`acme_helper_harden`).
        _ = mlock(page, Self.pageSize)
        _ = madvise(page, Self.pageSize, Self.dontDump)

        var count = 0
        var failure: SourceError?
        // Room for one byte and one line feed more than allowed, to notice a PIN that is too long.
        do throws(FileError) {
            count = try file.read(into: UnsafeMutableRawBufferPointer(start: page, count: Self.longest + 2), at: 0)
        } catch { failure = .unreadable(errno: error.code) }
        if count > 0, page.load(fromByteOffset: count - 1, as: UInt8.self) == UInt8(ascii: "\n") { count -= 1 }
        if failure == nil, count == 0 { failure = .empty }
        if failure == nil {
            failure = PINText.flaw(in: UnsafeRawBufferPointer(start: page, count: count)).map { .malformed(line: $0.line, $0.flaw) }
        }
        if failure == nil, count > Self.longest { failure = .tooLong }
        if let failure {
            Self.wipe(page)
            throw failure
        }
        self.page = page
        self.length = count
    }

    /// Opens the file, and checks it and its path.
    private static func open(_ path: String) throws(SourceError) -> File {
        let file: File
        let status: FileStatus
        do throws(OwnershipError) {
            // With any owner and mode: they are checked below, so that the error has their values.
            file = try File.open(path, as: Ownership(owner: .anybody, forbidden: 0, judgesWay: true))
            do throws(FileError) { status = try file.status() } catch { throw .system(error) }
        } catch {
            switch error {
            case .system(let failure): throw .unreadable(errno: failure.code)
            case .distrusted(_, .noFile): throw .notRegularFile
            case .distrusted(let path, let reason): throw .untrustedWay(path: path, reason: reason.description)
            }
        }
        do throws(OwnershipError) { try Ownership.secret.check(file, expecting: .file) } catch {
            switch error {
            case .system(let failure): throw .unreadable(errno: failure.code)
            case .distrusted(_, .owner(let uid)): throw .wrongOwner(uid: uid)
            case .distrusted(_, .writable), .distrusted(_, .readable): throw .wrongMode(status.mode)
            case .distrusted: throw .notRegularFile
            }
        }
        return file
    }

    deinit { Self.wipe(page) }

    /// Two bytes that tell whether this PIN was tried before and little else: 1 in 65,536 other PINs has the same tag.
    /// Takes about 10 ms, so that trying all PINs against the two bytes is not free either.
    public func tag(salt: [UInt8]) -> UInt16 {
        var tag: (UInt8, UInt8) = (0, 0)
        withUnsafeMutableBytes(of: &tag) { tag in
            salt.withUnsafeBufferPointer { salt in
                withBytes { pin in
                    cpkcs11_pin_tag(
                        salt.baseAddress, salt.count, pin.baseAddress, pin.count, Self.tagIterations,
                        tag.baseAddress?.assumingMemoryBound(to: UInt8.self))
                }
            }
        }
        return UInt16(tag.0) << 8 | UInt16(tag.1)
    }

    func withBytes<Result>(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Result) -> Result {
        body(UnsafeMutableBufferPointer(start: page.assumingMemoryBound(to: UInt8.self), count: length))
    }

    private static func wipe(_ page: UnsafeMutableRawPointer) {
        explicit_bzero(page, pageSize)
        munmap(page, pageSize)
    }

    private static let tagIterations: UInt32 = 20_000
    /// MADV_DONTDUMP, which the C header hides from Swift behind a feature macro.
    private static let dontDump: Int32 = 16
}

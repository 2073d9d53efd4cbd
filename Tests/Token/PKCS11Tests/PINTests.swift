import Crypto
import Foundation
import Testing

@testable import PKCS11

@Suite struct PINTests {
    private let path = FileManager.default.temporaryDirectory.path + "/acme-agent-pin-\(UUID().uuidString)"

    private func pin(_ text: String) throws -> PIN {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
        defer { unlink(path) }
        return try PIN(file: path)
    }

    @Test(arguments: [("1234", "1234"), ("1234\n", "1234"), ("1234\n\n", "1234\n"), ("1234\r\n", "1234\r"), (" 12 ", " 12 ")])
    func oneLineFeedAtTheEndDoesNotCount(text: String, expected: String) throws {
        let pin = try pin(text)
        #expect(pin.withBytes { Array($0) } == Array(expected.utf8))
    }

    @Test func itsLengthHasALimit() throws {
        let longest = String(repeating: "7", count: PIN.longest)
        #expect(try pin(longest).withBytes { $0.count } == PIN.longest)
        #expect(try pin(longest + "\n").withBytes { $0.count } == PIN.longest)
        for text in [longest + "7", longest + "7\n", longest + "77"] {
            let error = #expect(throws: PIN.SourceError.self) { _ = try pin(text) }
            #expect(error == .tooLong)
        }
        for text in ["", "\n"] {
            let error = #expect(throws: PIN.SourceError.self) { _ = try pin(text) }
            #expect(error == .empty)
        }
    }

    @Test func aFileThatIsNotPrivateOrNotAFileIsRefused() throws {
        #expect(throws: PIN.SourceError.unreadable(errno: ENOENT)) { _ = try PIN(file: path) }
        #expect(throws: PIN.SourceError.notRegularFile) { _ = try PIN(file: "/tmp") }
        #expect(throws: PIN.SourceError.notRegularFile) { _ = try PIN(file: "/dev/zero") }
        try Data("1234".utf8).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        chmod(path, 0o644)
        #expect(throws: PIN.SourceError.wrongMode(0o644)) { _ = try PIN(file: path) }
        // A link is followed: systemd's credentials are links in some places. What it names is what counts.
        chmod(path, 0o600)
        let link = path + ".link"
        symlink(path, link)
        defer { unlink(link) }
        #expect(try PIN(file: link).withBytes { $0.count } == 4)
    }

    /// The C implementation against swift-crypto's SHA-256.
    @Test(arguments: [1, 4, 39, 40, 47, 48, 55, 64, 111, 112, 256])
    func theTagIsIteratedSHA256(length: Int) throws {
        let text = String(repeating: "0123456789", count: 26).prefix(length)
        let salt = [UInt8](0..<16)
        var digest = Array(SHA256.hash(data: salt + Array(text.utf8)))
        for _ in 0..<20_000 { digest = Array(SHA256.hash(data: salt + digest)) }
        let pin = try pin(String(text))
        #expect(pin.tag(salt: salt) == UInt16(digest[0]) << 8 | UInt16(digest[1]))
    }
}

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

    @Test(arguments: [
        ("1234", "1234"), ("1234\n", "1234"), ("two words\n", "two words"), ("a#b\"c", "a#b\"c"), ("Schlüssel€𝄞", "Schlüssel€𝄞"),
        ("~!", "~!"),
    ])
    func oneLineFeedAtTheEndDoesNotCount(text: String, expected: String) throws {
        let pin = try pin(text)
        #expect(pin.withBytes { Array($0) } == Array(expected.utf8))
    }

    @Test(arguments: [
        ("1234\n\n", 2, PIN.Flaw.secondLine), ("1234\n5678\n", 2, .secondLine), ("1234\n# the PIN of the HSM", 2, .secondLine),
        ("\n1234\n", 2, .secondLine), ("1234\r\n", 1, .carriageReturn), ("1234\r", 1, .carriageReturn), ("12\r34", 1, .carriageReturn),
        (" 1234", 1, .blankAtStart), ("\t1234\n", 1, .blankAtStart), ("1234 \n", 1, .blankAtEnd), ("1234\t", 1, .blankAtEnd),
        (" ", 1, .blankAtStart), ("\u{FEFF}1234\n", 1, .byteOrderMark), ("12\u{0}34", 1, .controlCharacter),
        ("1234\u{0}", 1, .controlCharacter), ("12\t34", 1, .controlCharacter), ("1234\u{7F}", 1, .controlCharacter),
        ("1234\u{1B}[0m", 1, .controlCharacter),
    ])
    func aFileThatCannotBeMeantIsRefusedWithTheLine(text: String, line: Int, flaw: PIN.Flaw) throws {
        #expect(throws: PIN.SourceError.malformed(line: line, flaw)) { _ = try pin(text) }
    }

    @Test(arguments: [
        [0xFF], [0x80], [0xC3], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
        [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xFE, 0xFF, 0x00, 0x31],
    ])
    func aFileThatIsNotUTF8IsRefused(bytes: [UInt8]) throws {
        try Data("12".utf8 + bytes).write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
        defer { unlink(path) }
        #expect(throws: PIN.SourceError.malformed(line: 1, .notUTF8)) { _ = try PIN(file: path) }
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
        // A link is followed, since systemd's credentials are links in some places. Its target is what counts.
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

import ACME
import DurableFile
import Foundation
import Testing
import TokenProtocol

@testable import Keyring

@Suite struct KeyFolderTests {
    let path = FileManager.default.temporaryDirectory.path + "/keys-\(UUID().uuidString)"

    private func record(_ name: String, _ usage: KeyUsage = .certificate) throws -> KeyRecord {
        try SoftwareKey.make(.p256).signingKey(name, usage).record
    }

    private func write(_ text: String, as file: String) throws {
        try DurableFile.replace(path + "/" + file, with: Array(text.utf8), mode: 0o600)
    }

    @Test func whatIsWrittenIsRead() throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let records = [try record("account-1", .account), try record("web-1")]
        for record in records { try folder.write(record) }
        #expect(try folder.contents().records == records)
        let keyring = Keyring(try folder.contents())
        #expect(keyring.sortedNames.map(\.rawValue) == ["account-1", "web-1"])
        #expect(keyring.name(ofPublicKey: try #require(records[1].pinned).reference.spki) == records[1].name)
        try folder.remove(records[0].name)
        #expect(try folder.contents().records == [records[1]])
    }

    @Test func everyStateIsReadAsItWasWritten() throws {
        let pinned = try PinnedKey(
            reference: TokenKeyReference(id: [1, 2], label: "a key", spki: SoftwareKey.make(.p384).spki), uri: "pkcs11:object=a%20key",
            weaknesses: [.extractable, .decrypts])
        let states: [KeyRecord.State] = [
            .creating(.making(id: [UInt8](repeating: 7, count: 16))), .creating(.adopting(uri: "pkcs11:object=x")), .active(pinned),
            .retired(pinned),
        ]
        for state in states {
            let written = try record("web-1").with(state)
            #expect(try KeyRecord(json: written.json()) == written)
        }
    }

    @Test func aKeyThatWasBegunHoldsItsNameAndDoesNotSign() throws {
        let begun = try record("web-1").with(.creating(.making(id: [UInt8](repeating: 7, count: 16))))
        var keyring = Keyring(KeyFolderContents(records: [begun]))
        #expect(keyring.key(named: "web-1") == nil)
        #expect(!keyring.isFree(begun.name))
        #expect(keyring.begun == [begun])
        keyring.remove(begun.name)
        #expect(keyring.isFree(begun.name))
    }

    // MARK: One bad entry

    @Test(arguments: ["", "{}", #"{"version":0}"#, "[1]", "{\"version\":1,\"version\":1}", "\u{0}", #"{"version":2,"name":"web-1"}"#])
    func anEntryThatCannotBeReadPutsThatKeyOffAlone(_ text: String) throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try folder.write(try record("mail-1"))
        try write(text, as: "web-1.json")
        let keyring = Keyring(try folder.contents())
        #expect(keyring.sortedNames.map(\.rawValue) == ["mail-1"])
        #expect(keyring.unusableKeys.map(\.name.rawValue) == ["web-1"])
        #expect(!keyring.isFree("web-1"))
        #expect(keyring.unusableKey(named: "web-1")?.reason.contains("web-1.json cannot be used: ") == true)
    }

    /// For the administrator who must repair it, in log and status.
    @Test func aDamagedEntryIsSpokenOfInWords() throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try write("garbage", as: "web-1.json")
        try write("{}", as: "web-2.json")
        try write("", as: "web-3.json")
        let reasons = try folder.contents().unusable.sorted { $0.name < $1.name }.map(\.reason)
        #expect(
            reasons.map { $0.split(separator: ": ").last } == [
                "an unexpected character, at byte 0", "a member is missing, at byte 0 (member \"version\")",
                "it is empty",
            ])
    }

    @Test func anEntryUnderAnothersNamePutsItOff() throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try DurableFile.replace(path + "/web-2.json", with: try record("web-1").json(), mode: 0o600)
        #expect(try folder.contents().unusable.map(\.name.rawValue) == ["web-2"])
        #expect(try folder.contents().records.isEmpty)
    }

    @Test func aFileOfNoKeysNameIsSaidToBeOne() throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try write("{}", as: "WEB 1.json")
        #expect(try folder.contents().strays == ["WEB 1.json"])
    }

    // MARK: The folder's owner

    @Test(arguments: [0o777, 0o770, 0o702])
    func aFolderThatOthersCanWriteIsNotUsed(mode: Int) throws {
        _ = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        chmod(path, mode_t(mode))
        #expect(throws: OwnershipError.self) { try KeyFolder(path: path) }
    }

    @Test func aFolderThatALinkStandsForInSomebodysFolderIsNotUsed() throws {
        let above = path + "-above"
        try FileManager.default.createDirectory(atPath: above + "/keys", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: above) }
        chmod(above, 0o777)
        #expect(throws: OwnershipError.self) { try KeyFolder(path: above + "/keys") }
    }

    @Test(arguments: ["mode", "owner", "link", "fifo", "hard link"])
    func anEntryThatOthersCouldHaveWrittenPutsThatKeyOff(_ fault: String) throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try folder.write(try record("mail-1"))
        try folder.write(try record("web-1"))
        let file = path + "/web-1.json"
        switch fault {
        case "mode": chmod(file, 0o666)
        case "owner":
            // Only root can give a file to another user.
            guard geteuid() == 0 else { return }
            chown(file, 4242, 4242)
        case "link":
            rename(file, path + "/elsewhere")
            symlink(path + "/elsewhere", file)
        case "fifo":
            unlink(file)
            mkfifo(file, 0o600)
        default: link(file, path + "/second")
        }
        let contents = try folder.contents()
        #expect(contents.records.map(\.name.rawValue) == ["mail-1"])
        #expect(contents.unusable.map(\.name.rawValue) == ["web-1"])
    }

    // MARK: One key, one name

    @Test func twoEntriesOfOnePublicKeyAreBothOff() throws {
        let victim = try record("victim"), other = try record("other")
        var alias = victim
        alias.name = "mine"
        let keyring = Keyring(KeyFolderContents(records: [victim, alias, other]))
        #expect(keyring.sortedNames == [other.name])
        #expect(keyring.unusableKeys.map(\.name) == [alias.name, victim.name])
        #expect(keyring.unusableKey(named: "mine")?.reason.contains("another one") == true)
        #expect(keyring.name(ofPublicKey: try #require(victim.pinned).reference.spki) == nil)
    }

    @Test func twoEntriesOfTheSameObjectsInATokenAreBothOff() throws {
        let id = [UInt8](repeating: 7, count: 16)
        func pinned(_ label: String) throws -> KeyRecord.State {
            .active(
                try PinnedKey(
                    reference: TokenKeyReference(id: id, label: label, spki: SoftwareKey.make(.p256).spki), uri: "", weaknesses: []))
        }
        let first = try record("first").with(pinned("key")), second = try record("second").with(pinned("key"))
        #expect(Keyring(KeyFolderContents(records: [first, second])).isEmpty)
        // An unfinished entry that another key would settle.
        let begun = try record("key").with(.creating(.making(id: id)))
        let keyring = Keyring(KeyFolderContents(records: [first, begun]))
        #expect(keyring.isEmpty && keyring.begun.isEmpty)
        // PKCS#11 lets keys with different labels share an id, and each token is separate.
        var elsewhere = try record("elsewhere").with(pinned("key"))
        elsewhere.token = "another"
        let several = [first, try record("third").with(pinned("other")), elsewhere]
        #expect(Keyring(KeyFolderContents(records: several)).sortedNames.count == 3)
    }
}

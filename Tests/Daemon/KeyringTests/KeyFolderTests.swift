import ACME
import DurableFile
import Foundation
import Testing

@testable import Keyring

@Suite struct KeyFolderTests {
    let path = FileManager.default.temporaryDirectory.path + "/keys-\(UUID().uuidString)"

    private func record(_ name: String, _ usage: KeyUsage = .certificate) throws -> KeyRecord {
        KeyRecord(try SoftwareKey.make(.p256).signingKey(name, usage), state: .active)
    }

    @Test func whatIsWrittenIsRead() throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let records = [try record("account-1", .account), try record("web-1")]
        for record in records { try folder.write(record) }
        #expect(try folder.records() == records)
        let keyring = try Keyring(folder.records())
        #expect(keyring.sortedNames == ["account-1", "web-1"])
        #expect(keyring.name(ofPublicKey: records[1].spki) == records[1].name)
        try folder.remove(records[0].name)
        #expect(try folder.records() == [records[1]])
    }

    @Test func aKeyThatWasBegunHoldsItsNameAndDoesNotSign() throws {
        var begun = try record("web-1")
        begun.state = .creating
        begun.spki = []
        var keyring = try Keyring([begun])
        #expect(keyring.key(named: "web-1") == nil)
        #expect(!keyring.isFree(begun.name))
        #expect(keyring.begun == [begun])
        keyring.remove(begun.name)
        #expect(keyring.isFree(begun.name))
    }

    @Test(arguments: ["", "{}", #"{"version":2}"#, "[1]", "{\"version\":1,\"version\":1}"])
    func anEntryThatCannotBeReadStopsTheStart(_ text: String) throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try DurableFile.replace(path + "/web-1.json", with: Array(text.utf8), mode: 0o600)
        #expect(throws: KeyringError.self) { try folder.records() }
    }

    @Test func anEntryUnderAnothersNameStopsTheStart() throws {
        let folder = try KeyFolder(path: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try DurableFile.replace(path + "/web-2.json", with: try record("web-1").json(), mode: 0o600)
        #expect(throws: KeyringError.self) { try folder.records() }
    }
}

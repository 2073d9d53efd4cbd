import ACME
import JOSE
import Testing

@testable import Keyring

/// Entries as earlier versions of the agent left them on disk.
@Suite struct KeyFormatTests {
    private static let spki =
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqD01E31QoHbylLJb5QuDg0yMozjNIDxD4zG_w8vlWEeQlPg-NimgYb0MfOPpI8zXW5f3kHR9ae_lLw_HvJ7DwQ"

    private func version1(
        state: String, id: String = "00112233445566778899aabbccddeeff", label: String = "account-1", spki: String, uri: String
    )
        -> [UInt8]
    {
        Array(
            (#"{"version":1,"name":"account-1","usage":"account","algorithm":"P-256","state":"\#(state)","token":"main","id":"\#(id)","#
                + #""label":"\#(label)","spki":"\#(spki)","uri":"\#(uri)","directory":"https://ca.example/directory","#
                + #""created":"2026-01-02T03:04:05Z"}"# + "\n").utf8)
    }

    @Test func aKeyOfVersion1IsCarriedOver() throws {
        for state in ["active", "retired"] {
            let bytes = version1(state: state, spki: KeyFormatTests.spki, uri: "pkcs11:token=main;object=account-1;type=private")
            let record = try KeyRecord(json: bytes)
            let key = try #require(record.signingKey)
            #expect(key.name.rawValue == "account-1" && key.usage == .account && key.algorithm == .p256 && key.token == "main")
            #expect(key.reference.id == [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF])
            #expect(key.reference.label == "account-1" && Base64URL.encode(key.reference.spki) == KeyFormatTests.spki)
            #expect(key.uri == "pkcs11:token=main;object=account-1;type=private")
            #expect(key.directory?.text == "https://ca.example/directory" && key.created == "2026-01-02T03:04:05Z")
            #expect(key.state == (state == "active" ? .active : .retired))
            // That version did not check.
            #expect(key.weaknesses == nil)
            // Written in today's format, it is the same key.
            #expect(record.json().starts(with: Array(#"{"version":2,"#.utf8)))
            #expect(try KeyRecord(json: record.json()) == record)
        }
    }

    @Test func aKeyThatVersion1HadBegunIsCarriedOver() throws {
        let making = try KeyRecord(json: version1(state: "creating", spki: "", uri: ""))
        guard case .creating(.making(let id)) = making.state else {
            Issue.record("\(making)")
            return
        }
        #expect(id.count == 16)
        let adopting = try KeyRecord(json: version1(state: "creating", spki: "", uri: "pkcs11:object=old"))
        #expect(adopting.state == .creating(.adopting(uri: "pkcs11:object=old")))
    }

    @Test func anEntryOfVersion1ThatWouldBeSettledByAnothersKeyIsRefused() {
        // Its label and id are those of a key with another name.
        #expect(throws: KeyRecordError.self) { try KeyRecord(json: version1(state: "creating", label: "victim", spki: "", uri: "")) }
        #expect(throws: KeyRecordError.self) { try KeyRecord(json: version1(state: "creating", id: "01", spki: "", uri: "")) }
    }

    @Test func aNewerFormatIsRefusedWithASentence() {
        let error = #expect(throws: KeyRecordError.self) {
            try KeyRecord(json: Array(#"{"version":3,"name":"web-1","what":"is not known here"}"#.utf8))
        }
        #expect(error?.description == "it has format 3, written by a newer version of the agent; this one reads up to 2")
    }

    @Test(arguments: [
        ("\"algorithm\":\"P-256\"", "\"algorithm\":\"P-384\""), ("\"usage\":\"account\"", "\"usage\":\"both\""),
        ("\"id\":\"00", "\"id\":\"0g"), ("\"spki\":\"M", "\"spki\":\"N"), ("\"state\":\"active\"", "\"state\":\"asleep\""),
        ("\"created\"", "\"made\""), ("\"name\":\"account-1\"", "\"name\":\"../account-1\""),
    ])
    func anEntryWithOneWrongMemberIsRefused(_ right: String, _ wrong: String) throws {
        let text = String(decoding: version1(state: "active", spki: KeyFormatTests.spki, uri: "pkcs11:"), as: UTF8.self)
        #expect(text.contains(right))
        #expect(throws: KeyRecordError.self) { try KeyRecord(json: Array(text.replacing(right, with: wrong).utf8)) }
    }
}

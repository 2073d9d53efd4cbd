import Crypto
import Foundation
import Testing
import TokenProtocol
import TokenTestSupport

/// Which key of the token an RFC 7512 URI names, and what the answer is if it names none that can be used.
@Suite struct HelperURITests {
    private let fixture: HelperFixture

    init() throws { fixture = try HelperFixture() }

    private func refusal(_ helper: HelperProcess, _ uri: String) throws -> String {
        let reply = try helper.ask(.find(uri: uri))
        guard case .failure(let failure) = reply else {
            Issue.record("\(uri): \(reply)")
            return ""
        }
        #expect(failure.kind == .invalidRequest, "\(failure)")
        return failure.message
    }

    private func count(_ helper: HelperProcess, _ uri: String) throws -> Int {
        let reply = try helper.ask(.find(uri: uri))
        guard case .keys(let keys, _) = reply else {
            Issue.record("\(uri): \(reply)")
            return -1
        }
        return keys.count
    }

    @Test func theKeyOfAnotherTokenWithTheSameNamesIsNotTaken() throws {
        try fixture.addToken(label: "other")
        for token in ["unit", "other"] {
            try fixture.importKey(pem: P256.Signing.PrivateKey().pemRepresentation, id: "01", label: "twin", token: token)
        }
        let helper = try HelperProcess()
        let information = try helper.open(fixture)
        #expect(try count(helper, "pkcs11:token=unit;id=%01;object=twin;type=private") == 1)
        #expect(try count(helper, "pkcs11:serial=\(information.serial);id=%01") == 1)
        #expect(try count(helper, "pkcs11:token=unit;id=%02;object=twin") == 0)
        for other in ["token=other", "serial=0", "model=x", "manufacturer=x", "slot-id=7", "library-manufacturer=x", "token=unit;serial=0"]
        {
            #expect(try refusal(helper, "pkcs11:\(other);id=%01;object=twin;type=private").contains("names a token other than"))
        }
        #expect(try refusal(helper, "pkcs11:object=twin;type=public").contains("type is not private"))
    }

    @Test func aURIThatBringsPINOrModuleIsRefused() throws {
        let helper = try HelperProcess()
        _ = try helper.open(fixture)
        for query in ["pin-value=271828", "pin-source=/etc/pin", "module-path=/x.so", "module-name=x"] {
            let message = try refusal(helper, "pkcs11:token=unit;object=x?\(query)")
            #expect(message.contains("only from the agent's configuration") && !message.contains("271828"), "\(message)")
        }
        #expect(try count(helper, "pkcs11:token=unit;object=x?x-vendor=1") == 0)
    }

    @Test func aKeyThatCannotBeUsedIsNotNoKey() throws {
        let secret = P256.Signing.PrivateKey()
        try fixture.importKey(pem: secret.pemRepresentation, id: "05", label: "lonely")
        try fixture.pkcs11Tool(["--delete-object", "--type", "pubkey", "--id", "05"])
        let file = fixture.folder + "/key.der"
        try secret.derRepresentation.write(to: URL(fileURLWithPath: file))
        try fixture.pkcs11Tool(["--write-object", file, "--type", "privkey", "--label", "nameless"])
        try fixture.importKey(pem: P256.Signing.PrivateKey().pemRepresentation, id: "06", label: "lonely")

        let helper = try HelperProcess()
        _ = try helper.open(fixture)
        #expect(try refusal(helper, "pkcs11:id=%05;object=lonely").contains("no public key object"))
        #expect(try refusal(helper, "pkcs11:object=nameless").contains("no CKA_ID"))
        #expect(try refusal(helper, "pkcs11:object=nameless;id=").contains("no CKA_ID"))
        // One that can be used and one that cannot: the helper does not guess which is meant.
        #expect(try helper.failure(.find(uri: "pkcs11:object=lonely"))?.kind == .severalKeys)
        #expect(try count(helper, "pkcs11:object=lonely;id=%06") == 1)
        #expect(try count(helper, "pkcs11:object=nobody") == 0)
        // A listing has only what can be used.
        guard case .keys(let keys, _) = try helper.ask(.list) else {
            Issue.record("no listing")
            return
        }
        #expect(keys.count == 1)
    }
}

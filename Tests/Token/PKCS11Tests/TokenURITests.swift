import Testing

@testable import PKCS11

/// RFC 7512 without a module.
@Suite struct TokenURITests {
    @Test(arguments: [
        "", "pkcs11", "pkcs12:token=x", "http://token", "pkcs11:token", "pkcs11:token=%4", "pkcs11:token=%", "pkcs11:token=%zz",
        // p11-kit alone would drop the blank, take the second of two, and include the part after "#" in the value.
        "pkcs11:token=a b", "pkcs11:token=a\n", "pkcs11:token=a\u{0}b", "pkcs11:token=ä", "pkcs11:token=A;token=B", "pkcs11:id=%01;id=%02",
        "pkcs11:token=A#id=%01", "pkcs11:token=A%00B",
        // p11-kit alone would read nothing after an empty attribute, and match every token and every key.
        "pkcs11:;token=A", "pkcs11:token=A;;id=%01", "pkcs11:;", "pkcs11:token=A;;", "pkcs11:;?x-a=1",
        // Unknown attributes match nothing (section 2.5); p11-kit knows some from older drafts.
        "pkcs11:unheard=of", "pkcs11:x-vendor=1;token=A", "pkcs11:Token=A", "pkcs11:object-type=private", "pkcs11:objecttype=private",
        "pkcs11:pinfile=/etc/pin", "pkcs11:pin-value=1234", "pkcs11:module-name=softhsm2",
        "pkcs11:type=privat", "pkcs11:type=", "pkcs11:slot-id=x", "pkcs11:slot-id=", "pkcs11:slot-id=-1", "pkcs11:library-version=1.2.3",
        // p11-kit's value for no slot.
        "pkcs11:slot-id=18446744073709551615",
        "pkcs11:token=a%20label%20that%20is%20longer%20than%20thirty-two%20bytes",
    ])
    func whatRestrictsInAWayThatIsNotUnderstoodIsRefused(text: String) {
        #expect(throws: PKCS11Error.self) { try TokenURI(text) }
    }

    @Test(arguments: [
        "pkcs11:", "PKCS11:token=A", "pkcs11:token=A;", "pkcs11:token=a%20b;manufacturer=m;serial=1;model=x",
        "pkcs11:library-manufacturer=m;library-description=d;library-version=2.6", "pkcs11:library-version=3",
        "pkcs11:slot-description=d;slot-manufacturer=m;slot-id=0", "pkcs11:object=o;type=private;id=%00%ff", "pkcs11:token=A?x-vendor=1",
    ])
    func whatTheRFCHasIsTaken(text: String) throws {
        _ = try TokenURI(text)
        _ = try TokenURI(text, for: .key)
    }

    @Test(arguments: ["pin-value=1234", "pin-source=/etc/pin", "module-name=softhsm2", "module-path=/x.so", "x-a=1&pin-value=1234"])
    func whatNamesAKeyDoesNotBringPINOrModule(query: String) throws {
        let text = "pkcs11:object=o?" + query
        _ = try TokenURI(text)
        let error = #expect(throws: PKCS11Error.self) { try TokenURI(text, for: .key) }
        // The PIN is not repeated to logs.
        #expect(error?.description.contains("1234") == false)
        #expect(error?.description.contains("only from the agent's configuration") == true)
    }

    @Test func anEmptyValueMatchesAnEmptyValueAndNotAny() throws {
        let uri = try TokenURI("pkcs11:id=;object=")
        #expect(uri.objectID == [])
        #expect(uri.objectLabel == [])
        #expect(try TokenURI("pkcs11:").objectID == nil)
        #expect(try TokenURI("pkcs11:").objectLabel == nil)
    }
}

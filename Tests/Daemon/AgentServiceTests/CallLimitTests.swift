import ACME
import AgentInterface
import JOSE
import StrictJSON
import Testing
import TokenProtocol

@Suite("Front end, agent and helper have the same limits")
struct CallLimitTests {
    private func read(_ method: String, _ parameters: String) throws -> AgentCall? {
        try AgentCall(method: method, parameters: JSONDocument(parsing: Array(parameters.utf8)).root.object())
    }

    private func letters(_ count: Int) -> String { String(repeating: "a", count: count) }

    @Test("Each URL that the front end accepts can be signed for")
    func urls() throws {
        func url(_ count: Int) -> String { "https://ca.example/" + letters(count - 19) }
        func sign(_ url: String) throws -> AgentCall? {
            try read("SignPostAsGet", #"{"key":"account","nonce":"bm9uY2U","url":"\#(url)","account":"https://ca.example/1"}"#)
        }
        let longest = url(ACMEURL.maximumLength), longer = url(ACMEURL.maximumLength + 1)
        #expect(try ACMEURL(longest).text == longest)
        #expect(try sign(longest) != nil)
        #expect(throws: ACMEURLError.tooLong) { try ACMEURL(longer) }
        #expect(throws: InvalidParameter.self) { try sign(longer) }
    }

    @Test("Each certificate and each number of contacts that a request may have can be sent")
    func requests() throws {
        func revoke(_ size: Int) throws -> AgentCall? {
            let certificate = Base64URL.encode([UInt8](repeating: 0x30, count: size))
            return try read(
                "SignRevocation",
                #"{"key":"www","nonce":"bm9uY2U","url":"https://ca.example/revoke","certificate":"\#(certificate)"}"#)
        }
        #expect(try revoke(Revocation.maximumCertificateSize) != nil)
        #expect(throws: InvalidParameter.self) { try revoke(Revocation.maximumCertificateSize + 16) }
        func register(_ count: Int) throws -> AgentCall? {
            let contacts = (0..<count).map { #""mailto:a\#($0)@example.org""# }.joined(separator: ",")
            return try read(
                "SignNewAccount", #"{"key":"account","nonce":"bm9uY2U","url":"https://ca.example/new","contact":[\#(contacts)]}"#)
        }
        #expect(try register(Contact.maximumCount) != nil)
        #expect(throws: InvalidParameter.self) { try register(Contact.maximumCount + 1) }
    }

    @Test("A key can be adopted by the longest URI that the token's helper takes")
    func uris() throws {
        func adopt(_ count: Int) throws -> AgentCall? {
            let uri = "pkcs11:object=" + letters(count - 14)
            return try read("AdoptKey", #"{"name":"www","usage":"certificate","uri":"\#(uri)"}"#)
        }
        #expect(try adopt(TokenLimits.uri) != nil)
        #expect(throws: InvalidParameter.self) { try adopt(TokenLimits.uri + 1) }
        #expect(throws: InvalidParameter.self) {
            try read("AdoptKey", #"{"name":"www","usage":"certificate","uri":"pkcs11:object=a\u0001"}"#)
        }
    }
}

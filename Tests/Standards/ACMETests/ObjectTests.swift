import ACME
import Testing

@Suite("What a CA sends")
struct ObjectTests {
    static let directory = """
        {"newNonce":"https://ca.example/nonce","newAccount":"https://ca.example/account","newOrder":"https://ca.example/order",
        "revokeCert":"https://ca.example/revoke","keyChange":"https://ca.example/key"
        """

    @Test("A directory with everything (RFC 8555 §7.1.1)")
    func wholeDirectory() throws {
        let directory = try Directory(
            json: try value(
                Self.directory + """
                    ,"newAuthz":"https://ca.example/authz","renewalInfo":"https://ca.example/ari","meta":{"termsOfService":"https://ca.example/tos",
                    "website":"https://ca.example/","caaIdentities":["ca.example"],"externalAccountRequired":true,
                    "profiles":{"classic":"ninety days","shortlived":"six days"},"x":1},"Kx3":"https://community.example/t/33417"}
                    """))
        #expect(directory.newNonce.text == "https://ca.example/nonce")
        #expect(directory.newAccount.text == "https://ca.example/account")
        #expect(directory.newOrder.text == "https://ca.example/order")
        #expect(directory.revokeCert?.text == "https://ca.example/revoke")
        #expect(directory.keyChange?.text == "https://ca.example/key")
        #expect(directory.renewalInfo?.text == "https://ca.example/ari")
        #expect(directory.termsOfService == "https://ca.example/tos")
        #expect(directory.website == "https://ca.example/")
        #expect(directory.caaIdentities == ["ca.example"])
        #expect(directory.externalAccountRequired)
        #expect(directory.profiles == ["classic": "ninety days", "shortlived": "six days"])
    }

    @Test("A directory with the required members, and an empty meta", arguments: ["}", #","meta":{}}"#, #","meta":null}"#])
    func smallDirectory(end: String) throws {
        let directory = try Directory(json: try value(Self.directory + end))
        #expect(directory.renewalInfo == nil)
        #expect(directory.termsOfService == nil)
        #expect(directory.caaIdentities.isEmpty)
        #expect(!directory.externalAccountRequired)
        #expect(directory.profiles.isEmpty)
    }

    @Test(
        "Not a directory",
        arguments: [
            "[]", "{}", "null", #""x""#, directory.replacing("https://ca.example/nonce", with: "http://ca.example/nonce") + "}",
            directory.replacing("newOrder", with: "newPizza") + "}", directory.replacing("newAccount", with: "new-account") + "}",
        ])
    func noDirectory(json: String) throws {
        let json = try value(json)
        #expect(throws: ACMEDocumentError.self) { try Directory(json: json) }
    }

    /// FreeIPA's has no keyChange; a member that is not used is not checked.
    @Test(
        "A directory in which members that most commands do not need are missing or odd",
        arguments: [
            directory.replacing("keyChange", with: "keychange") + "}", directory.replacing("revokeCert", with: "revoke-cert") + "}",
            directory.replacing("https://ca.example/revoke", with: "http://ca.example/revoke") + "}",
            directory + #","renewalInfo":"http://ca.example/ari"}"#, directory + #","renewalInfo":1}"#, directory + #","meta":[]}"#,
            directory + #","meta":{"externalAccountRequired":"yes"}}"#, directory + #","meta":{"profiles":["x"]}}"#,
            directory + #","meta":{"profiles":{"x":1}}}"#, directory + #","meta":{"caaIdentities":"x"}}"#,
            directory + #","meta":{"caaIdentities":[1]}}"#, directory + #","meta":{"website":7,"termsOfService":{}}}"#,
            directory + #","meta":{"website":""# + String(repeating: "x", count: 5000) + #""}}"#,
            directory + #","meta":{"profiles":{"# + (0...Directory.maximumProfiles).map { "\"p\($0)\":\"\"" }.joined(separator: ",")
                + "}}}",
            directory + #","meta":{"caaIdentities":["# + [String](repeating: #""x""#, count: 101).joined(separator: ",") + "]}}",
        ])
    func oddDirectory(json: String) throws {
        let directory = try Directory(json: try value(json))
        #expect(directory.newOrder.text == "https://ca.example/order")
        #expect(directory.profiles.count <= Directory.maximumProfiles && directory.caaIdentities.count <= Directory.maximumCAAIdentities)
    }

    @Test("A profile without a description is a profile")
    func profileWithoutText() throws {
        let directory = try Directory(json: try value(Self.directory + #","meta":{"profiles":{"a":"text","b":null,"c":{}}}}"#))
        #expect(directory.profiles == ["a": "text", "b": "", "c": ""])
    }

    @Test("An account (RFC 8555 §7.1.2)")
    func anAccount() throws {
        let account = try Account(
            json: try value(
                #"{"status":"valid","contact":["mailto:a@example.org"],"termsOfServiceAgreed":true,"orders":"https://ca.example/orders/1","key":{}}"#
            ))
        #expect(account.status == .valid)
        #expect(account.contact == ["mailto:a@example.org"])
        #expect(account.orders?.text == "https://ca.example/orders/1")
        #expect(account.termsOfServiceAgreed == true)
        let small = try Account(json: try value(#"{"status":"deactivated","orders":""}"#))
        #expect(small.status == .deactivated)
        #expect(small.contact.isEmpty)
        #expect(small.orders == nil)
        #expect(small.termsOfServiceAgreed == nil)
    }

    @Test(
        "Not an account",
        arguments: [
            "{}", #"{"status":"VALID"}"#, #"{"status":1}"#,
        ])
    func noAccount(json: String) throws {
        let json = try value(json)
        #expect(throws: ACMEDocumentError.self) { try Account(json: json) }
    }

    @Test(
        "An account with odd members that no decision depends on",
        arguments: [
            #"{"status":"valid","contact":null}"#, #"{"status":"valid","contact":"x"}"#, #"{"status":"valid","contact":[1]}"#,
            #"{"status":"valid","termsOfServiceAgreed":"yes"}"#,
        ])
    func oddAccount(json: String) throws {
        #expect(try Account(json: try value(json)).contact.isEmpty)
    }

    static let order = """
        {"status":"STATUS","expires":"2015-03-01T14:09:07.99Z","identifiers":[{"type":"dns","value":"Example.org"},{"type":"ip","value":"192.0.2.1"}],
        "authorizations":["https://ca.example/authz/1","https://ca.example/authz/2"],"finalize":"https://ca.example/finalize"
        """

    static func order(_ end: String = "}", status: String = "pending") -> String { order.replacing("STATUS", with: status) + end }

    @Test("An order in each state (RFC 8555 §7.1.3)", arguments: OrderStatus.allCases)
    func states(status: OrderStatus) throws {
        let order = try Order(json: try value(Self.order(status: status.rawValue)))
        #expect(order.status == status)
        #expect(order.expires == "2015-03-01T14:09:07.99Z")
        #expect(order.identifiers?.map(\.value) == ["example.org", "192.0.2.1"])
        #expect(order.authorizations.map(\.text) == ["https://ca.example/authz/1", "https://ca.example/authz/2"])
        #expect(order.finalize?.text == "https://ca.example/finalize")
        #expect(order.certificate == nil)
        #expect(order.error == nil)
        #expect(order.replaces == nil)
        #expect(order.profile == nil)
    }

    @Test("An order with everything")
    func fullOrder() throws {
        let order = try Order(
            json: try value(
                Self.order(
                    #","certificate":"https://ca.example/cert","error":{"detail":"no"},"replaces":"a.b","profile":"p","notBefore":"2015-03-01T14:09:07Z","notAfter":"soon","x":[]}"#
                )))
        #expect(order.certificate?.text == "https://ca.example/cert")
        #expect(order.error?.detail == "no")
        #expect(order.replaces == "a.b")
        #expect(order.profile == "p")
        #expect(order.notBefore == "2015-03-01T14:09:07Z")
        // Not a timestamp, so absent.
        #expect(order.notAfter == nil)
    }

    static func urls(_ count: Int) -> String { (0..<count).map { "\"https://ca.example/a/\($0)\"" }.joined(separator: ",") }

    @Test("A thousand authorizations, and one more")
    func manyAuthorizations() throws {
        func json(_ count: Int) -> String {
            #"{"status":"pending","identifiers":[],"authorizations":[\#(Self.urls(count))],"finalize":"https://ca.example/f"}"#
        }
        #expect(try Order(json: try value(json(1000))).authorizations.count == Order.maximumAuthorizations)
        let over = try value(json(1001))
        #expect(throws: ACMEDocumentError.self) { try Order(json: over) }
    }

    @Test(
        "Not an order",
        arguments: [
            "{}", order(status: "done"), order(#","certificate":"http://ca.example/c"}"#),
            order(#","certificate":"https://user@ca.example/c"}"#),
            order(#","certificate":["https://ca.example/c"]}"#), order.replacing("dns", with: "email") + "}",
            order().replacing("192.0.2.1", with: "010.0.0.1"),
            order().replacing("Example.org", with: "*.*.org"),
            order().replacing("https://ca.example/authz/1", with: "https://ca.example/../x"),
            order().replacing("https://ca.example/finalize", with: "http://ca.example/finalize"),
            order().replacing("status", with: "state"), #"{"status":null}"#,
        ])
    func noOrder(json: String) throws {
        let json = try value(json)
        #expect(throws: ACMEDocumentError.self) { try Order(json: json) }
    }

    @Test("Only the status is required, and null counts as absent", arguments: ["null", "absent"])
    func bareOrder(members: String) throws {
        let names = [
            "expires", "identifiers", "authorizations", "finalize", "certificate", "error", "replaces", "profile", "notBefore", "notAfter",
        ]
        let rest = members == "null" ? names.map { ",\"\($0)\":null" }.joined() : ""
        let order = try Order(json: try value(#"{"status":"ready"\#(rest)}"#))
        #expect(order.status == .ready)
        #expect(order.identifiers == nil && order.authorizations.isEmpty && order.finalize == nil && order.certificate == nil)
        #expect(order.error == nil)
    }

    @Test("An account whose members are null has none of them")
    func bareAccount() throws {
        let account = try Account(json: try value(#"{"status":"valid","contact":null,"orders":null,"termsOfServiceAgreed":null}"#))
        #expect(account.contact.isEmpty && account.orders == nil && account.termsOfServiceAgreed == nil)
    }

    @Test("Errors are one printable line that names the object and the member")
    func errors() throws {
        let json = try value(Self.order(status: "\\u001b[31mdone\\n"))
        do throws(ACMEDocumentError) {
            _ = try Order(json: json)
            Issue.record("taken")
        } catch {
            #expect(error.object == "order")
            #expect(error.member == "status")
            #expect("\(error)".unicodeScalars.allSatisfy { TerminalText.isSafe($0) })
        }
    }
}

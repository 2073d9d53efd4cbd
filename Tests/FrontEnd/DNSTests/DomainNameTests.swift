import Testing

@testable import DNS

@Suite struct DomainNameTests {
    @Test func namesAreEqualWhateverTheirCaseIs() throws {
        #expect(try DomainName("WWW.Example.org.") == DomainName("www.example.org"))
        #expect(try DomainName("www.example.org") != DomainName("example.org"))
        #expect(try "\(DomainName("_acme-challenge.WWW.example.org"))" == "_acme-challenge.www.example.org")
        #expect(try "\(DomainName("."))" == ".")
    }

    /// A length byte can have the value of a letter.
    @Test func aLabelOfThatManyCharactersKeepsItsLength() throws {
        let name = String(repeating: "A", count: 63) + ".org"
        #expect(try "\(DomainName(name))" == name.lowercased())
    }

    @Test func aNameIsWithinAZoneOnlyByWholeLabels() throws {
        let zone = try DomainName("example.org")
        #expect(try DomainName("example.org").isWithin(zone) && DomainName("a.b.example.org").isWithin(zone))
        #expect(try !DomainName("badexample.org").isWithin(zone) && !DomainName("org").isWithin(zone))
        #expect(try !DomainName("example.org.evil.net").isWithin(zone))
        #expect(try DomainName("example.org").isWithin(DomainName(".")))
    }

    @Test func parentsEndAtTheRoot() throws {
        let name = try DomainName("a.example.org")
        #expect(name.parent?.description == "example.org")
        #expect(name.parent?.parent?.parent?.isRoot == true && name.parent?.parent?.parent?.parent == nil)
    }

    @Test(arguments: ["", "a..b", String(repeating: "a", count: 64) + ".org", String(repeating: "a.", count: 128) + "a", "a\0b.org"])
    func whatIsNoNameIsRefused(text: String) { #expect(throws: DNSError.self) { try DomainName(text) } }

    @Test func bytesThatATerminalWouldObeyAreEscaped() throws {
        #expect(try "\(DomainName("\\027[31m\\.a.org"))" == "\\027\\[31m\\.a.org")
    }
}
